// AveragePool.
#include "ops/pool.h"
#include "ops/window_reach.h"

namespace tessera::ops {
namespace {

void average_pool_reference(const Args& a) {
  const Shape& shape = a.in[0].shape();
  const Window w = pool_window(a, shape);
  const bool with_pads = a.integer("count_include_pad") != 0;
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t p = 0; p < shape[0] * shape[1]; ++p) {
      const T* plane = x.data() + p * w.in_elements();
      T* to = y.data() + p * w.out_elements();
      for_windows(w, [&](int64_t at, int64_t od, int64_t oh, int64_t ow) {
        double sum = 0;
        int64_t inside = 0;
        const int64_t all = for_taps(w, od, oh, ow, [&](int64_t offset) {
          sum += static_cast<double>(plane[offset]);
          ++inside;
        });
        const int64_t count = with_pads ? all : inside;
        to[at] = static_cast<T>(count ? sum / static_cast<double>(count) : 0);
      });
    }
  });
}

constexpr AttrDef attrs[] = {{"auto_pad"},
                             {.name = "kernel_shape", .required = true},
                             {"pads"},
                             {"strides"},
                             {.name = "ceil_mode", .since = 10},
                             {.name = "count_include_pad", .since = 7},
                             {.name = "dilations", .since = 19}};
const OpDef defs[] = {{.name = "AveragePool",
                       .since = 1,
                       .in = {1, 1},
                       .types = "T=float : T -> T",
                       .attrs = attrs,
                       .infer = infer_pool,
                       .reference = average_pool_reference,
                       .reach = follow_pool}};

}  // namespace

extern const OpFile average_pool;
const OpFile average_pool{defs};

}  // namespace tessera::ops
