// The CPU's own layout.
#pragma once

#include "runtime/graph/tensor.h"

namespace tessera::cpu {

inline constexpr LayoutForm nchw16c_form{"nchw16c", 16};
/// [N, ceil(C/16), H, W, 16]; channels beyond C are zero.
inline constexpr Layout nchw16c{&nchw16c_form};

}  // namespace tessera::cpu
