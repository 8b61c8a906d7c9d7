// LpPool: the p-norm of each window.
#include "ops/pool.h"
#include "ops/window_reach.h"

namespace tessera::ops {
namespace {

void pool_norm(const Args& a, double p) {
  const Shape& shape = a.in[0].shape();
  const Window w = pool_window(a, shape);
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t i = 0; i < shape[0] * shape[1]; ++i) {
      const T* plane = x.data() + i * w.in_elements();
      T* to = y.data() + i * w.out_elements();
      for_windows(w, [&](int64_t at, int64_t od, int64_t oh, int64_t ow) {
        double sum = 0;
        for_taps(w, od, oh, ow,
                 [&](int64_t offset) { sum += std::pow(std::abs(static_cast<double>(plane[offset])), p); });
        to[at] = static_cast<T>(std::pow(sum, 1 / p));
      });
    }
  });
}

void lp_pool_1(const Args& a) { pool_norm(a, a.real("p")); }
void lp_pool_2(const Args& a) { pool_norm(a, static_cast<double>(a.integer("p"))); }

constexpr AttrDef attrs[] = {
    {"p", 2}, {"auto_pad"}, {.name = "kernel_shape", .last = 1}, {.name = "kernel_shape", .required = true, .since = 2},
    {"pads"}, {"strides"},  {.name = "ceil_mode", .since = 18},  {.name = "dilations", .since = 18}};
const OpDef defs[] = {{.name = "LpPool",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_pool,
                       .reference = lp_pool_1,
                       .reach = follow_pool},
                      {.name = "LpPool",
                       .since = 2,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_pool,
                       .reference = lp_pool_2,
                       .reach = follow_pool}};

}  // namespace

extern const OpFile lp_pool;
const OpFile lp_pool{defs};

}  // namespace tessera::ops
