// MatMulInteger by a constant matrix as the sums of QuantizedGemm, and ConvInteger by constant weights as those of
// QuantizedConv, from which what the left zero point adds to each column or channel is taken off: x is often quantized
// while the model runs, so that its zero point is known by then only.
#include <algorithm>

#include "optimizer/spelling.h"

namespace tessera::optimizer {

namespace {

// As in every implementation, sums beyond 32 bits wrap.
int32_t wrapped(double sum) { return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(sum))); }

ValueId zero_of(Spelling& s, DType type) {
  Tensor zero = Tensor::make({type, {}});
  set_element(zero.view(), 0, 0);
  return s.constant(std::move(zero));
}

// y less the zero point, known when the model runs, times what the weights of each column or channel sum up to.
ValueId less_zero_times(Spelling& s, ValueId y, ValueId x_zero, Tensor sums) {
  const ValueId zero = s.cast(x_zero, DType::int32);
  return s.op("Sub", 14, {y, s.op("Mul", 14, {s.constant(std::move(sums)), s.reshape(zero, {1})})});
}

}  // namespace

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
    if (!w_zero) return false;
    const int64_t count = w_zero->type.shape.elements();
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
    sums.as<int32_t>()[j] = wrapped(sum);
  }
  const bool known = s.has(x_zero_in) && s.value(s.in(x_zero_in));
  const ValueId one = s.number(1), w_zero_id = w_zero ? s.in(w_zero_in) : zero_of(s, w.dtype);
  const ValueId x_zero = known ? s.in(x_zero_in) : zero_of(s, x.dtype);
  ValueId y = s.op("QuantizedGemm", 1, {s.in(x_in), one, x_zero, s.constant(std::move(turned)), one, w_zero_id},
                   {{"sums", int64_t{1}}}, internal_domain);
  if (!s.fits_last()) return false;
  if (s.has(x_zero_in) && !known) y = less_zero_times(s, y, s.in(x_zero_in), std::move(sums));
  s.becomes(0, y);
  return true;
}

bool spell_integer_convolution(Spelling& s) {
  enum { x_in, w_in, x_zero_in, w_zero_in };
  const Type x = s.type(s.in(x_in)), w = s.type(s.in(w_in));
  const Tensor* weights = s.value(s.in(w_in));
  const Tensor* w_zero = s.has(w_zero_in) ? s.value(s.in(w_zero_in)) : nullptr;
  if (!weights || x.shape.size() != 4 || x.shape.elements() == 0 || w.shape.elements() == 0) return false;
  if (s.has(w_zero_in) && !w_zero) return false;
  if (s.has(x_zero_in) && s.shape(s.in(x_zero_in)).elements() != 1) return false;
  const bool known = !s.has(x_zero_in) || s.value(s.in(x_zero_in));
  Attrs attrs = s.node().attrs ? *s.node().attrs : Attrs{};
  const AttrReader read(s.node());
  ValueId in = s.in(x_in);
  if (!known) {
    // Beyond the picture lies its zero point, which is a number like any other then.
    const Text automatic = read.text("auto_pad");
    if (!automatic.empty() && automatic != "NOTSET" && automatic != "VALID") return false;
    const List<int64_t> pads = read.integers("pads");
    if (std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; }))
      in = s.op("Pad", 18,
                {in, s.integers({0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]}), s.reshape(s.in(x_zero_in), {})});
    std::erase_if(attrs, [](const auto& attr) { return attr.first == "pads"; });
  }
  attrs.emplace_back("sums", int64_t{1});
  const ValueId one = s.number(1), x_zero = known && s.has(x_zero_in) ? s.in(x_zero_in) : zero_of(s, x.dtype);
  const ValueId w_zero_id = w_zero ? s.in(w_zero_in) : zero_of(s, w.dtype);
  ValueId y = s.op("QuantizedConv", 1, {in, one, x_zero, s.in(w_in), one, w_zero_id}, attrs, internal_domain);
  if (!s.fits_last()) return false;
  if (!known) {
    Tensor sums = Tensor::make({DType::int32, {w.shape[0], 1, 1}});
    const int64_t each = w.shape.elements(1, w.shape.size());
    for (int64_t c = 0; c < w.shape[0]; ++c) {
      const double zero = !w_zero ? 0 : element_as_double(w_zero->view(), w_zero->type.shape.elements() == 1 ? 0 : c);
      double sum = 0;
      for (int64_t i = 0; i < each; ++i) sum += element_as_double(weights->view(), c * each + i) - zero;
      sums.as<int32_t>()[c] = wrapped(sum);
    }
    y = less_zero_times(s, y, s.in(x_zero_in), std::move(sums));
  }
  s.becomes(0, y);
  return true;
}

}  // namespace tessera::optimizer
