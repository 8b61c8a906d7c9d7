// Reorder (domain tessera): the same tensor in another memory layout, which the planner writes into
// the output's type. The reference serves every pair of layouts.
#include "runtime/graph/op.h"

namespace tessera::ops {
namespace {

void infer_reorder(Infer& n) { n.set(0, n.shape(0)); }

// Where element (n, c, pixel) lies.
size_t place(const Type& type, int64_t n, int64_t c, int64_t pixel, int64_t pixels) {
  const int64_t channels = type.shape[1];
  if (type.layout == Layout::row_major) return static_cast<size_t>((n * channels + c) * pixels + pixel);
  const int64_t blocks = (channels + 15) / 16;
  return static_cast<size_t>(((n * blocks + c / 16) * pixels + pixel) * 16 + c % 16);
}

void reorder_reference(const Args& args) {
  const View &in = args.in[0], &out = args.out[0];
  if (in.type.layout == out.type.layout) return copy_elements(in, out);
  std::memset(out.data, 0, static_cast<size_t>(out.type.bytes()));
  const Shape& shape = in.shape();
  const int64_t pixels = shape[2] * shape[3];
  visit_bits(in.type.dtype, [&]<class T>() {
    for (int64_t n = 0; n < shape[0]; ++n)
      for (int64_t c = 0; c < shape[1]; ++c)
        for (int64_t p = 0; p < pixels; ++p)
          out.as<T>()[place(out.type, n, c, p, pixels)] = in.as<const T>()[place(in.type, n, c, p, pixels)];
  });
}

const OpDef rows[] = {{.name = "Reorder",
                       .domain = "tessera",
                       .in = {1, 1},
                       .types = "T=numeric|boolean : T -> T",
                       .infer = infer_reorder,
                       .reference = reorder_reference}};

}  // namespace

extern const OpFile reorder;
const OpFile reorder{rows};

}  // namespace tessera::ops
