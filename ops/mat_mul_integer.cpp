// MatMulInteger: int32 sums of products of 8-bit integers less their zero points; com.microsoft's MatMulInteger16.
#include "ops/quantized_product.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_integer(Infer& n) {
  if (n.has_input(2)) check_operand(n.shape(0), n.shape(2), true);
  if (n.has_input(3)) check_operand(n.shape(1), n.shape(3), false);
  infer_matmul(n);
}

void integer_reference(const Args& a) {
  const Product p(a.in[0].shape(), a.in[1].shape());
  const auto left = centred<int32_t>(a.in[0], a.has_in(2) ? a.in[2] : View{}, true);
  const auto right = centred<int32_t>(a.in[1], a.has_in(3) ? a.in[3] : View{}, false);
  auto* y = reinterpret_cast<int32_t*>(a.out[0].data);  // or uint32: the same bits
  multiply<uint32_t>(p, left.data(), right.data(), [&](int64_t, int64_t at, const uint32_t* sums) {
    for (int64_t j = 0; j < p.n; ++j) y[at + j] = static_cast<int32_t>(sums[j]);
  });
}

// Of unsigned numbers alone sums are unsigned too.
void infer_wide(Infer& n) {
  const bool natural = n.in(0).dtype == DType::uint16 && n.in(1).dtype == DType::uint16;
  n.set(0, natural ? DType::uint32 : DType::int32, Product(n.shape(0), n.shape(1)).out);
}

const OpDef defs[] = {{.name = "MatMulInteger",
                       .since = 10,
                       .in = {2, 4},
                       .types = "A=int8|uint8; B=int8|uint8 : A, B, A, B -> int32",
                       .infer = infer_integer,
                       .reference = integer_reference,
                       .reach = follow_product<0, 1>,
                       .work = line_work,
                       .quantized = true},
                      {.name = "MatMulInteger16",
                       .domain = "com.microsoft",
                       .in = {2, 2},
                       .types = "A=int16|uint16; B=int16|uint16 : A, B",
                       .infer = infer_wide,
                       .reference = integer_reference,
                       .reach = follow_product<0, 1>,
                       .work = line_work}};

}  // namespace

extern const OpFile mat_mul_integer;
const OpFile mat_mul_integer{defs};

}  // namespace tessera::ops
