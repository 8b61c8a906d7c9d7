// com.microsoft QLinear operators on single elements, their concatenation and their means: values
// leave their scale, are computed as floats, and take the result's scale.
#include <algorithm>

#include "ops/pool.h"
#include "ops/quantization.h"
#include "ops/softmax.h"
#include "ops/window_reach.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// Input `i` as floats, with its scale and zero point in the two inputs behind it.
RunVector<float> reals(const Args& a, size_t i) {
  const Read<float> x(a.in[i]);
  const auto scale = static_cast<float>(number_or(a, i + 1, 1)), zero = static_cast<float>(number_or(a, i + 2, 0));
  RunVector<float> values(static_cast<size_t>(x.size()));
  for (size_t k = 0; k < values.size(); ++k) values[k] = (x[static_cast<int64_t>(k)] - zero) * scale;
  return values;
}

class Store {
 public:
  Store(const Args& a, size_t scale_input)
      : to_(a.out[0]),
        scale_(static_cast<float>(number_or(a, scale_input, 1))),
        zero_(number_or(a, scale_input + 1, 0)),
        range_(range_of(to_.type.dtype)) {}
  void operator()(int64_t i, float value) const { set_element(to_, i, quantized(value / scale_, zero_, range_)); }

 private:
  const View& to_;
  float scale_;
  double zero_;
  IntegerRange range_;
};

void check_scalar(Infer& n, int i) {
  if (n.has_input(i) && n.shape(i).elements() != 1)
    fail(Error::Kind::shape, "input ", i, " is ", n.shape(i), ", not one number");
}

void infer_two(Infer& n) {
  for (const int i : {1, 2, 4, 5, 6, 7}) check_scalar(n, i);
  n.set(0, n.in(0).dtype, broadcast(n.shape(0), n.shape(3)));
}

template <class F>
void two(const Args& a, F combine) {
  const Shape& shape = a.out[0].shape();
  const auto x = reals(a, 0), y = reals(a, 3);
  const auto x_at = broadcast_offsets(a.in[0].shape(), shape), y_at = broadcast_offsets(a.in[3].shape(), shape);
  const Store store(a, 6);
  for (size_t i = 0; i < x_at.size(); ++i)
    store(static_cast<int64_t>(i), combine(x[static_cast<size_t>(x_at[i])], y[static_cast<size_t>(y_at[i])]));
}

void add(const Args& a) {
  two(a, [](float x, float y) { return x + y; });
}
void multiply_elements(const Args& a) {
  two(a, [](float x, float y) { return x * y; });
}

void infer_one(Infer& n) {
  for (const int i : {1, 2, 3, 4}) check_scalar(n, i);
  n.set(0, n.in(0).dtype, n.shape(0));
}

template <class F>
void one(const Args& a, F curve) {
  const auto x = reals(a, 0);
  const Store store(a, 3);
  for (size_t i = 0; i < x.size(); ++i) store(static_cast<int64_t>(i), curve(x[i]));
}

void sigmoid(const Args& a) {
  one(a, [](float x) { return 1 / (1 + std::exp(-x)); });
}
void leaky(const Args& a) {
  const float alpha = a.real("alpha");
  one(a, [alpha](float x) { return x < 0 ? alpha * x : x; });
}

// The mean over all spatial axes; the channels may come last.
void infer_global(Infer& n) {
  infer_one(n);
  Shape y = n.shape(0);
  if (y.rank() < 3) fail(Error::Kind::shape, "input ", y, " has no spatial axis");
  const size_t first = n.integer("channels_last") ? 1 : 2;
  for (size_t i = first; i < first + y.size() - 2; ++i) y[i] = 1;
  n.set(0, n.in(0).dtype, y);
}

void global_mean(const Args& a) {
  const Shape& shape = a.in[0].shape();
  const bool last = a.integer("channels_last") != 0;
  const int64_t channels = last ? shape.back() : shape[1];
  const int64_t plane = shape.elements(last ? 1 : 2, shape.size() - (last ? 1 : 0));
  const auto x = reals(a, 0);
  const Store store(a, 3);
  for (int64_t i = 0; i < a.out[0].elements(); ++i) {
    const int64_t batch = i / channels, c = i % channels;
    double sum = 0;
    for (int64_t p = 0; p < plane; ++p)
      sum += static_cast<double>(x[static_cast<size_t>(last ? (batch * plane + p) * channels + c : i * plane + p)]);
    store(i, static_cast<float>(sum / static_cast<double>(plane)));
  }
}

// Means of windows. With the channels last, the extents between the first and the last axis are walked alike.
Shape channels_second(const AttrReader& n, const Shape& x) {
  if (x.rank() < 3) fail(Error::Kind::shape, "input ", x, " has no spatial axis");
  if (!n.integer("channels_last")) return x;
  Shape turned = x;
  turned[1] = x.back();
  for (size_t i = 2; i < x.size(); ++i) turned[i] = x[i - 1];
  return turned;
}

void infer_average(Infer& n) {
  infer_one(n);
  const Shape x = channels_second(n, n.shape(0));
  Shape y = pool_window(n, x).output(x[0], x[1]);
  if (n.integer("channels_last")) {
    for (size_t i = 1; i + 1 < y.size(); ++i) y[i] = y[i + 1];
    y[y.size() - 1] = x[1];
  }
  n.set(0, n.in(0).dtype, y);
}

void average_windows(const Args& a) {
  const bool last = a.integer("channels_last") != 0, with_pads = a.integer("count_include_pad") != 0;
  const Shape shape = channels_second(a, a.in[0].shape());
  const Window w = pool_window(a, shape);
  const int64_t channels = shape[1], step = last ? channels : 1;
  const int64_t taps = w.axis[0].kernel * w.axis[1].kernel * w.axis[2].kernel;
  const auto x = reals(a, 0);
  const Store store(a, 3);
  const auto first = [&](int64_t plane, int64_t elements) {
    return last ? plane / channels * elements * channels + plane % channels : plane * elements;
  };
  for (int64_t p = 0; p < shape[0] * channels; ++p) {
    const int64_t from = first(p, w.in_elements()), to = first(p, w.out_elements());
    for_windows(w, [&](int64_t at, int64_t od, int64_t oh, int64_t ow) {
      double sum = 0;
      int64_t inside = 0;
      for_taps(w, od, oh, ow, [&](int64_t offset) {
        sum += static_cast<double>(x[static_cast<size_t>(from + offset * step)]);
        ++inside;
      });
      // Who counts pads counts what ceil_mode adds behind them, too: unlike AveragePool.
      const int64_t count = with_pads ? taps : inside;
      store(to + at * step, static_cast<float>(count ? sum / static_cast<double>(count) : 0));
    });
  }
}

void infer_concat(Infer& n) {
  const int parts = (n.inputs() - 2) / 3;
  if (parts < 1 || n.inputs() != 2 + 3 * parts)
    fail(Error::Kind::model, n.inputs(), " inputs are not triples behind two");
  Shape y = n.shape(2);
  const auto axis = static_cast<size_t>(n.axis("axis", y.rank()));
  for (int p = 1; p < parts; ++p) {
    Shape other = n.shape(2 + 3 * p);
    if (other.size() != y.size()) fail(Error::Kind::shape, "cannot join ", y, " and ", other);
    y[axis] += other[axis];
    other[axis] = y[axis];
    if (!(other == y)) fail(Error::Kind::shape, "cannot join ", n.shape(2), " and ", n.shape(2 + 3 * p));
  }
  n.set(0, n.in(2).dtype, y);
}

void concat_scaled(const Args& a) {
  const int axis = normalize_axis(a.integer("axis"), a.out[0].shape().rank());
  const Around out(a.out[0].shape(), axis);
  const Store store(a, 0);
  int64_t done = 0;
  for (size_t i = 2; i < a.in.size(); i += 3) {
    const Around part(a.in[i].shape(), axis);
    const auto x = reals(a, i);
    const int64_t row = part.extent * part.inner;
    for (int64_t k = 0; k < part.outer * row; ++k)
      store((k / row * out.extent + done) * out.inner + k % row, x[static_cast<size_t>(k)]);
    done += part.extent;
  }
}

void softmax_scaled(const Args& a) {
  const int rank = a.in[0].shape().rank();
  const int axis = normalize_axis(a.integer("axis"), std::max(rank, 1));
  const bool flat = a.integer("opset") < 13;
  const Shape& shape = a.in[0].shape();
  Around s(shape.empty() ? Shape{1} : shape, shape.empty() ? 0 : axis);
  if (flat && rank) s.extent = shape.elements(static_cast<size_t>(axis), shape.size()), s.inner = 1;
  const auto x = reals(a, 0);
  const Store store(a, 3);
  for (int64_t o = 0; s.extent && o < s.outer; ++o)
    for (int64_t i = 0; i < s.inner; ++i) {
      const int64_t at = o * s.extent * s.inner + i;
      const auto [largest, sum] = exponential_sum(x.data() + at, s.extent, s.inner);
      for (int64_t k = at; k < at + s.extent * s.inner; k += s.inner)
        store(k, static_cast<float>(std::exp(static_cast<double>(x[static_cast<size_t>(k)]) - largest) / sum));
    }
}

bool follow_global(reach::Step& s) {
  if (!s.integer("channels_last")) return follow_global_pool(s);
  std::vector<bool> dropped(s.in[0].axes.size(), true);
  dropped.front() = dropped.back() = false;
  return drop_axes(s, dropped);
}

bool follow_softmax(reach::Step& s) {
  return mix_axes(s, s.axis(), s.integer("opset") < 13 ? s.in[0].axes.size() : s.axis() + 1);
}

// Result's scale and zero point, then each part with its own.
bool follow_concat(reach::Step& s) {
  std::vector<size_t> which;
  for (size_t i = 2; i < s.in.size(); i += 3) which.push_back(i);
  return join(s, which);
}

constexpr AttrDef leaky_attrs[] = {{"alpha", 0.01}};
constexpr AttrDef global_attrs[] = {{"channels_last"}}, concat_attrs[] = {{.name = "axis", .required = true}};
constexpr AttrDef softmax_attrs[] = {{"axis", -1}, {"opset", 13}};
constexpr Text one_types = "T=int8|uint8 : T, float32, T, float32, T -> T";
constexpr Text two_types = "T=int8|uint8 : T, float32, T, T, float32, T, float32, T -> T";

constexpr OpDef def(Text name, Arity in, Text types, void (*infer)(Infer&), void (*reference)(const Args&),
                    bool (*reach)(reach::Step&), List<AttrDef> attrs = {}) {
  return {.name = name,
          .domain = "com.microsoft",
          .since = 1,
          .in = in,
          .types = types,
          .attrs = attrs,
          .infer = infer,
          .reference = reference,
          .reach = reach,
          .quantized = true};
}
constexpr AttrDef average_attrs[] = {{"auto_pad"},  {"kernel_shape"},      {"pads"},         {"strides"},
                                     {"ceil_mode"}, {"count_include_pad"}, {"channels_last"}};
const OpDef defs[] = {
    def("QLinearAveragePool", {1, 5}, one_types, infer_average, average_windows, reach::not_followed, average_attrs),
    def("QLinearAdd", {1, 8}, two_types, infer_two, add, reach::pointwise),
    def("QLinearMul", {1, 8}, two_types, infer_two, multiply_elements, reach::pointwise),
    def("QLinearSigmoid", {1, 5}, one_types, infer_one, sigmoid, reach::pointwise),
    def("QLinearLeakyRelu", {1, 5}, one_types, infer_one, leaky, reach::pointwise, leaky_attrs),
    def("QLinearGlobalAveragePool", {1, 5}, one_types, infer_global, global_mean, follow_global, global_attrs),
    def("QLinearSoftmax", {1, 5}, one_types, infer_one, softmax_scaled, follow_softmax, softmax_attrs),
    def("QLinearConcat", {5, many}, {}, infer_concat, concat_scaled, follow_concat, concat_attrs),
};

}  // namespace

extern const OpFile q_linear_elementwise;
const OpFile q_linear_elementwise{defs};

}  // namespace tessera::ops
