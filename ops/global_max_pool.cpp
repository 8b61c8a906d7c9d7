// GlobalMaxPool: the maximum of each channel.
#include <algorithm>

#include "ops/largest.h"
#include "ops/pool.h"
#include "ops/window_reach.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void global_max_reference(const Args& a) {
  global_pool(a, [](const auto* x, int64_t count) {
    double best = -std::numeric_limits<double>::infinity();
    for (int64_t i = 0; i < count; ++i)
      if (const auto value = static_cast<double>(x[i]); is_larger(value, best)) best = value;
    return best;
  });
}

const OpDef defs[] = {{.name = "GlobalMaxPool",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .infer = infer_global_pool,
                       .reference = global_max_reference,
                       .reach = follow_global_pool<reach::Pooled::largest>}};

}  // namespace

extern const OpFile global_max_pool;
const OpFile global_max_pool{defs};

}  // namespace tessera::ops
