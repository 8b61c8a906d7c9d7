// Reorder (domain tessera): the same tensor in another memory layout, which the planner writes into
// the output's type. The reference serves every pair of layouts.
#include "runtime/graph/op.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_reorder(Infer& n) { n.set(0, n.shape(0)); }

// Where element (n, c, pixel) lies.
size_t place(const Type& type, int64_t n, int64_t c, int64_t pixel, int64_t pixels) {
  const int64_t block = type.layout.block(), blocks = (type.shape[1] + block - 1) / block;
  return static_cast<size_t>(((n * blocks + c / block) * pixels + pixel) * block + c % block);
}

// Calls body(index in `from`, index in `to`) for every element.
template <class Body>
void over_elements(const Type& from, const Type& to, const Body& body) {
  const Shape& shape = from.shape;
  if (from.layout.block() == to.layout.block()) {
    for (size_t i = 0, count = static_cast<size_t>(from.stored_elements()); i < count; ++i) body(i, i);
    return;
  }
  const int64_t pixels = shape[2] * shape[3];
  for (int64_t n = 0; n < shape[0]; ++n)
    for (int64_t c = 0; c < shape[1]; ++c)
      for (int64_t p = 0; p < pixels; ++p) body(place(from, n, c, p, pixels), place(to, n, c, p, pixels));
}

void reorder_reference(const Args& args) {
  const View &in = args.in[0], &out = args.out[0];
  const DType from = in.type.layout.stored(in.type.dtype), to = out.type.layout.stored(out.type.dtype);
  std::memset(out.data, 0, static_cast<size_t>(out.type.bytes()));
  if (from == to)
    return visit_bits(from, [&]<class T>() {
      over_elements(in.type, out.type, [&](size_t i, size_t o) { out.as<T>()[o] = in.as<const T>()[i]; });
    });
  const View source{{from, {in.type.stored_elements()}}, in.data}, target{{to, {out.type.stored_elements()}}, out.data};
  over_elements(in.type, out.type, [&](size_t i, size_t o) {
    set_element(target, static_cast<int64_t>(o), element_as_double(source, static_cast<int64_t>(i)));
  });
}

const OpDef defs[] = {{.name = "Reorder",
                       .domain = "tessera",
                       .in = {1, 1},
                       .types = "T=numeric|boolean : T -> T",
                       .infer = infer_reorder,
                       .reference = reorder_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile reorder;
const OpFile reorder{defs};

}  // namespace tessera::ops
