// GlobalAveragePool: the mean of each channel.
#include "ops/pool.h"
#include "ops/window_reach.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void global_average_reference(const Args& a) {
  global_pool(a, [](const auto* x, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]);
    return sum / static_cast<double>(count);
  });
}

const OpDef defs[] = {{.name = "GlobalAveragePool",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .infer = infer_global_pool,
                       .reference = global_average_reference,
                       .reach = follow_global_pool<reach::Pooled::mean>}};

}  // namespace

extern const OpFile global_average_pool;
const OpFile global_average_pool{defs};

}  // namespace tessera::ops
