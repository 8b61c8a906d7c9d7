// GlobalLpPool: the p-norm of each channel.
#include "ops/pool.h"
#include "ops/window_reach.h"

namespace tessera::ops {
namespace {

void norm(const Args& a, double p) {
  global_pool(a, [p](const auto* x, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += std::pow(std::abs(static_cast<double>(x[i])), p);
    return std::pow(sum, 1 / p);
  });
}

void norm_1(const Args& a) { norm(a, a.real("p")); }
void norm_2(const Args& a) { norm(a, static_cast<double>(a.integer("p"))); }

constexpr AttrDef attrs[] = {{"p", 2}};
const OpDef defs[] = {{.name = "GlobalLpPool",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_global_pool,
                       .reference = norm_1,
                       .reach = follow_global_pool<>},
                      {.name = "GlobalLpPool",
                       .since = 2,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_global_pool,
                       .reference = norm_2,
                       .reach = follow_global_pool<>}};

}  // namespace

extern const OpFile global_lp_pool;
const OpFile global_lp_pool{defs};

}  // namespace tessera::ops
