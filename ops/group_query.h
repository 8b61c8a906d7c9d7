// Places of com.microsoft GroupQueryAttention's inputs and outputs, for its reference and for its rewrite.
#pragma once

namespace tessera::ops::group_query {

enum In {
  q_in,
  k_in,
  v_in,
  past_k_in,
  past_v_in,
  lengths_in,
  total_in,
  cos_in,
  sin_in,
  positions_in,
  scores_in,
  sink_in,
  k_scale_in,
  v_scale_in,
  q_norm_in,
  k_norm_in
};
enum Out { y_out, k_out, v_out, scores_out };

}  // namespace tessera::ops::group_query
