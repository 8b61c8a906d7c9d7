// MatMulInteger by a constant matrix as the sums of QuantizedGemm, from which what the left zero point adds to each
// column is taken off: x is often quantized while the model runs, so that its zero point is known by then only.
#include "optimizer/spelling.h"

namespace tessera::optimizer {

bool spell_integer_product(Spelling& s) {
  enum { x_in, w_in, x_zero_in, w_zero_in };
  const Type x = s.type(s.in(x_in)), w = s.type(s.in(w_in));
  const Tensor* weights = s.value(s.in(w_in));
  if (!weights || w.shape.size() != 2 || x.shape.size() < 2 || x.shape.elements() == 0 || w.shape.elements() == 0)
    return false;
  const int64_t depth = w.shape[0], columns = w.shape[1];
  const Tensor* w_zero = nullptr;
  if (s.has(w_zero_in)) {
    w_zero = s.value(s.in(w_zero_in));
    const int64_t count = w_zero ? w_zero->type.shape.elements() : 0;
    if (count != 1 && (count != columns || w_zero->type.shape.size() != 1)) return false;
  }
  if (s.has(x_zero_in) && s.shape(s.in(x_zero_in)).elements() != 1) return false;

  Tensor turned = Tensor::make({w.dtype, {columns, depth}}), sums = Tensor::make({DType::int32, {columns}});
  const auto zero_at = [&](int64_t j) {
    if (!w_zero) return 0.0;
    return element_as_double(w_zero->view(), w_zero->type.shape.elements() == 1 ? 0 : j);
  };
  for (int64_t j = 0; j < columns; ++j) {
    double sum = 0;
    for (int64_t i = 0; i < depth; ++i) {
      turned.bytes.get()[j * depth + i] = weights->bytes.get()[i * columns + j];
      sum += element_as_double(weights->view(), i * columns + j) - zero_at(j);
    }
    // As in every implementation, sums beyond 32 bits wrap.
    sums.as<int32_t>()[j] = static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(sum)));
  }
  const auto zero_of = [&](DType type) {
    Tensor zero = Tensor::make({type, {}});
    set_element(zero.view(), 0, 0);
    return s.constant(std::move(zero));
  };
  const ValueId one = s.number(1), weights_id = s.constant(std::move(turned)), sums_id = s.constant(std::move(sums));
  const ValueId w_zero_id = w_zero ? s.in(w_zero_in) : zero_of(w.dtype);
  ValueId y = s.op("QuantizedGemm", 1, {s.in(x_in), one, zero_of(x.dtype), weights_id, one, w_zero_id},
                   {{"sums", int64_t{1}}}, internal_domain);
  if (!s.fits_last()) return false;
  if (s.has(x_zero_in)) {
    const ValueId zero = s.op("Cast", 13, {s.in(x_zero_in)}, {{"to", static_cast<int64_t>(DType::int32)}});
    y = s.op("Sub", 14, {y, s.op("Mul", 14, {sums_id, s.reshape(zero, {1})})});
  }
  s.becomes(0, y);
  return true;
}

}  // namespace tessera::optimizer
