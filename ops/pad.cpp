// Pad: borders around a tensor: a constant, the edge, a reflection or the other side again.
// Negative pads cut off. Amounts were attributes before opset 11.
#include "ops/pad.h"
#include "ops/elements.h"

#include "runtime/base/run_scope.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile pad;
namespace {

void set_padded(Infer& infer, const Amounts& amounts) {
  Shape shape = infer.shape(0);
  const Text mode = infer.text("mode");
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t before = amounts.before[i], after = amounts.after[i], extent = shape[i];
    constexpr int64_t most = int64_t{1} << 56;  // as many elements as a tensor may have
    shape[i] = checked_sum(extent, before, after);
    if (shape[i] < 0 || before < -most || after < -most)
      fail(Error::Kind::shape, "pads ", before, " and ", after, " do not fit an extent of ", extent);
    if (mode != "constant" && extent == 0 && shape[i] > 0)
      fail(Error::Kind::shape, "cannot pad an empty axis by its own elements");
  }
  if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap")
    fail(Error::Kind::model, "mode \"", mode, "\" is not known");
  infer.set(0, shape);
}

void infer_pad(Infer& infer) {
  set_padded(infer, pad_amounts(infer, infer.rank(0), [&](size_t i) {
               const int input = static_cast<int>(i);
               return infer.has_input(input) ? infer.value(input).view() : View{};
             }));
}

// The element of an axis that lies at `i`, or -1 for the constant.
int64_t source_of(int64_t i, int64_t extent, Text mode) {
  if (i >= 0 && i < extent) return i;
  if (mode == "edge") return i < 0 ? 0 : extent - 1;
  if (mode == "wrap") return (i % extent + extent) % extent;
  if (mode == "reflect") {
    if (extent == 1) return 0;
    const int64_t period = 2 * (extent - 1), k = (i % period + period) % period;
    return k < extent ? k : period - k;
  }
  return -1;
}

// Writes axis `axis` of the output at `to`, from the block of the input at `from`; -1 = constant.
template <class Put>
void pad_axis(const std::vector<RunVector<int64_t>>& sources, const Shape& strides, size_t axis, int64_t from,
              int64_t& to, const Put& put) {
  check_cancelled();
  for (const int64_t source : sources[axis]) {
    const int64_t at = from < 0 || source < 0 ? -1 : from + source * strides[axis];
    if (axis + 1 == sources.size())
      put(to++, at);
    else
      pad_axis(sources, strides, axis + 1, at, to, put);
  }
}

void run(const Args& args, const Amounts& amounts, const View& value) {
  const View &in = args.in[0], &out = args.out[0];
  const Text mode = args.text("mode");
  std::vector<RunVector<int64_t>> sources(out.shape().size());
  for (size_t i = 0; i < sources.size(); ++i)
    for (int64_t k = 0; k < out.shape()[i]; ++k)
      sources[i].push_back(source_of(k - amounts.before[i], in.shape()[i], mode));
  if (sources.empty()) return copy_elements(in, out);
  const Shape strides = strides_of(in.shape());
  int64_t to = 0;
  if (bits_of(out.type.dtype) < 8) {
    const double constant = value ? element_as_double(value, 0) : 0;
    pad_axis(sources, strides, 0, 0, to,
             [&](int64_t i, int64_t from) { set_element(out, i, from < 0 ? constant : element_as_double(in, from)); });
    return;
  }
  visit_bits(out.type.dtype, [&]<class T>() {
    const T constant = value ? *value.as<T>() : T();
    const T* data = in.as<T>();
    pad_axis(sources, strides, 0, 0, to,
             [&, target = out.as<T>()](int64_t i, int64_t from) { target[i] = from < 0 ? constant : data[from]; });
  });
}

Amounts known_amounts(const Args& args) {
  return pad_amounts(args, args.in[0].shape().rank(),
                     [&](size_t i) { return i < args.in.size() ? args.in[i] : View{}; });
}

void run_attributes(const Args& args) {
  const View& in = args.in[0];
  alignas(16) std::byte bytes[16] = {};
  const View value{{in.type.dtype, {}}, bytes};
  set_element(value, 0, args.real("value"));
  run(args, known_amounts(args), value);
}

void run_inputs(const Args& args) {
  run(args, known_amounts(args), args.has_in(2) && args.in[2].elements() ? args.in[2] : View{});
}

bool follow_pad(reach::Step& s) {
  std::vector<int64_t> pads, axes;
  const Text attribute = s.has("paddings") ? Text("paddings") : Text("pads");
  if (!s.integers_of(1, attribute, pads) || !s.integers_of(3, "", axes)) return false;
  if (axes.empty())
    for (int i = 0; i < s.rank(0); ++i) axes.push_back(i);
  if (pads.size() != 2 * axes.size()) return false;
  reach::Field field = s.in[0];
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis(axes[i], s.rank(0)));
    const int64_t before = pads[i], after = pads[i + axes.size()];
    if (!before && !after) continue;
    if (on_picture(field.axes[axis]) && s.text("mode") == "wrap") s.global = true;
    if (!cut(s, field, axis, -before, 1)) return false;
  }
  s.out = {field};
  return true;
}

constexpr AttrDef attrs[] = {{"mode", 0, "constant"},
                             {.name = "paddings", .required = true, .last = 1},
                             {.name = "pads", .required = true, .since = 2, .last = 10},
                             {.name = "value", .last = 10}};
constexpr Text types = "T=all; I=int32|int64 : T, int64, T, I -> T";
const OpDef defs[] = {
    {"Pad", "", 1, {1, 1}, {1, 1}, "T=float : T -> T", attrs, infer_pad, run_attributes, follow_pad},
    {"Pad", "", 11, {2, 4}, {1, 1}, types, attrs, infer_pad, run_inputs, follow_pad},
};

}  // namespace
const OpFile pad{defs};
}  // namespace tessera::ops
