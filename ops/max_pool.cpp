// MaxPool, with the indices of the maxima as a second output.
#include "ops/largest.h"
#include "ops/pool.h"
#include "ops/window_reach.h"

namespace tessera::ops {
namespace {

void infer_max_pool(Infer& n) { infer_pool(n); }

// A plane's row-major offset as ONNX's column-major one: the first spatial axis fastest.
int64_t column_major(const Window& w, int64_t offset) {
  int64_t result = 0;
  for (int i = w.rank - 1; i >= 0; --i) {
    const WindowAxis& a = w.spatial(i);
    int64_t stride = 1;
    for (int j = 0; j < i; ++j) stride *= w.spatial(j).in;
    result += offset % a.in * stride;
    offset /= a.in;
  }
  return result;
}

void max_pool_reference(const Args& a) {
  const Shape& shape = a.in[0].shape();
  const Window w = pool_window(a, shape);
  const bool columns = a.integer("storage_order") != 0;
  const bool wants_indices = a.out.size() > 1 && a.out[1];
  int64_t* indices = wants_indices ? a.out[1].as<int64_t>() : nullptr;
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    const T least = visit(a.in[0].type.dtype, []<class S>() {  // of a window of padding alone
      if constexpr (std::is_integral_v<S>)
        return static_cast<T>(std::numeric_limits<S>::lowest());
      else
        return std::numeric_limits<T>::lowest();
    });
    for (int64_t p = 0; p < shape[0] * shape[1]; ++p) {
      const T* plane = x.data() + p * w.in_elements();
      for_windows(w, [&](int64_t at, int64_t od, int64_t oh, int64_t ow) {
        T best = least;
        int64_t where = -1;
        for_taps(w, od, oh, ow, [&](int64_t offset) {
          if (where >= 0 && !is_larger(plane[offset], best)) return;
          best = plane[offset];
          where = offset;
        });
        const int64_t to = p * w.out_elements() + at;
        y[to] = best;
        if (indices) indices[to] = where < 0 ? -1 : p * w.in_elements() + (columns ? column_major(w, where) : where);
      });
    }
  });
}

constexpr AttrDef attrs[] = {{"auto_pad"},
                             {.name = "kernel_shape", .required = true},
                             {"pads"},
                             {"strides"},
                             {.name = "ceil_mode", .since = 10},
                             {.name = "dilations", .since = 10},
                             {.name = "storage_order", .since = 8}};
const OpDef defs[] = {{.name = "MaxPool",
                       .since = 1,
                       .in = {1, 1},
                       .out = {1, 2},
                       .types = "T=float|int8|uint8 : T -> T, int64",
                       .attrs = attrs,
                       .infer = infer_max_pool,
                       .reference = max_pool_reference,
                       .reach = follow_pool}};

}  // namespace

extern const OpFile max_pool;
const OpFile max_pool{defs};

}  // namespace tessera::ops
