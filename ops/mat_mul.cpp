// MatMul: the matrix product as numpy defines it.
#include "ops/matrix.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// Integers wrap around, as a product of their own width would.
template <class T, class Acc>
void run(const Args& a) {
  const Product p(a.in[0].shape(), a.in[1].shape());
  const Read<T> left(a.in[0]), right(a.in[1]);
  Write<T> y(a.out[0]);
  multiply<Acc>(p, left.data(), right.data(), [&](int64_t, int64_t at, const Acc* sums) {
    for (int64_t j = 0; j < p.n; ++j) y[at + j] = static_cast<T>(sums[j]);
  });
}

void mat_mul_reference(const Args& a) {
  const DType type = a.in[0].type.dtype;
  if (type == DType::float64) return run<double, double>(a);
  if (is_float(type)) return run<float, double>(a);
  run<uint64_t, uint64_t>(a);
}

const OpDef defs[] = {{.name = "MatMul",
                       .since = 1,
                       .in = {2, 2},
                       .types = "T=float|int32|int64|uint32|uint64 : T, T -> T",
                       .infer = infer_matmul,
                       .reference = mat_mul_reference,
                       .reach = follow_product<0, 1>,
                       .work = line_work}};

}  // namespace

extern const OpFile mat_mul;
const OpFile mat_mul{defs};

}  // namespace tessera::ops
