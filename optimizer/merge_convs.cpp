// Linear convolutions become one: a 1x1 behind or before another convolution, and two that read the same
// value and are added. Networks are trained in that form (RepVGG, SESR) and need not run in it.

#include <algorithm>
#include <array>

#include "optimizer/rewrites.h"

namespace tessera::optimizer {
namespace {

// Multiply-adds that a merge may take while loading.
constexpr int64_t most_work = int64_t{1} << 26;

// A Conv of one group with constant float32 weights and bias, and no epilogue.
struct Linear {
  Node* node = nullptr;
  const Tensor* constant = nullptr;
  Tensor weights, bias;  // weights once they are fetched; no bytes: no bias
  int64_t out = 0, in = 0, taps = 0;

  bool read(Edit& edit, Node* conv) {
    if (!is(conv, "Conv")) return false;
    const AttrReader attrs(*conv);
    if (attrs.has("quantized") || attrs.integer("group") != 1) return false;
    const bool biased = conv->in.size() > 2 && conv->in[2] != absent;
    const auto get = [&](size_t input) {
      const Tensor* found = edit.constant(conv->in[input]);
      return found && found->type.dtype == DType::float32 ? found : nullptr;
    };
    constant = get(1);
    if (!constant || (biased && !get(2))) return false;
    if (biased) bias = get(2)->aligned();
    const Shape& shape = constant->type.shape;
    if (shape.rank() < 3 || shape.elements() == 0) return false;
    node = conv;
    out = shape[0], in = shape[1], taps = shape.elements() / (out * in);
    return !biased || bias.type.shape.elements() == out;
  }

  const Shape& shape() const { return constant->type.shape; }
  // In a model file they may lie anywhere: a copy, for those that will be merged.
  void fetch() { weights = constant->aligned(); }
  double weight(int64_t m, int64_t c, int64_t tap) const { return weights.as<float>()[(m * in + c) * taps + tap]; }
  double shift(int64_t m) const { return bias.bytes ? bias.as<float>()[m] : 0.0; }
  bool is_biased() const {
    return bias.bytes && std::any_of(bias.as<float>(), bias.as<float>() + out, [](float b) { return b != 0; });
  }
};

bool all_are(List<int64_t> values, int64_t wanted) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == wanted; });
}

bool is_automatic(const AttrReader& attrs) {
  return attrs.has("auto_pad") && attrs.text("auto_pad") != "NOTSET" && attrs.text("auto_pad") != "VALID";
}

// With one tap and no stride, automatic pads are none.
bool is_pointwise(const Linear& conv) {
  const AttrReader attrs(*conv.node);
  return conv.taps == 1 && all_are(attrs.integers("strides"), 1) && all_are(attrs.integers("pads"), 0);
}

bool has_pads(const Linear& conv) {
  const AttrReader attrs(*conv.node);
  return is_automatic(attrs) || !all_are(attrs.integers("pads"), 0);
}

// Weights and bias in double precision until they are complete.
struct Sum {
  int64_t out, in, taps;
  std::vector<double> weights, bias;

  Sum(int64_t out_, int64_t in_, int64_t taps_)
      : out(out_),
        in(in_),
        taps(taps_),
        weights(static_cast<size_t>(out_ * in_ * taps_)),
        bias(static_cast<size_t>(out_)) {}
  double& weight(int64_t m, int64_t c, int64_t tap) { return weights[static_cast<size_t>((m * in + c) * taps + tap)]; }

  // Makes it the weights of `conv`, whose kernel has that shape.
  void store(Edit& edit, Node& conv, const Shape& shape) const {
    Tensor w = Tensor::make({DType::float32, shape}), b = Tensor::make({DType::float32, {out}});
    std::transform(weights.begin(), weights.end(), w.as<float>(), [](double v) { return static_cast<float>(v); });
    std::transform(bias.begin(), bias.end(), b.as<float>(), [](double v) { return static_cast<float>(v); });
    const std::string name = edit.value(conv.in[1]).name;
    conv.in.resize(3, absent);
    conv.in[1] = edit.add_constant(name + ":merged", std::move(w));
    conv.in[2] = edit.add_constant(name + ":merged bias", std::move(b));
  }
};

Shape kernel_of(const Linear& conv, int64_t out, int64_t in) {
  Shape shape = conv.shape();
  shape[0] = out, shape[1] = in;
  return shape;
}

// `second` reads `first` alone, and one of them is 1x1: the product of their matrices, where that costs less.
bool merge_chain(Edit& edit, Node& node) {
  Linear first, second;
  if (!second.read(edit, &node) || !first.read(edit, edit.maker(node.in[0]))) return false;
  if (edit.only_user(first.node->out[0]) != &node || second.in != first.out) return false;
  if (first.shape().rank() != second.shape().rank()) return false;
  const bool behind = is_pointwise(second);
  // Beyond the border `second` sees zeros, which are not what `first` would make there if it has a bias.
  if (!behind && (!is_pointwise(first) || (first.is_biased() && has_pads(second)))) return false;
  const int64_t taps = behind ? first.taps : second.taps, merged = second.out * first.in * taps;
  if (merged > first.out * first.in * first.taps + second.out * second.in * second.taps) return false;
  if (merged > most_work / first.out) return false;

  first.fetch();
  second.fetch();
  Sum sum(second.out, first.in, taps);
  for (int64_t m = 0; m < second.out; ++m) {
    sum.bias[static_cast<size_t>(m)] = second.shift(m);
    for (int64_t k = 0; k < first.out; ++k)
      for (int64_t t = 0; t < second.taps; ++t) {
        const double factor = second.weight(m, k, t);
        sum.bias[static_cast<size_t>(m)] += factor * first.shift(k);
        for (int64_t c = 0; c < first.in; ++c)
          for (int64_t u = 0; u < first.taps; ++u) sum.weight(m, c, t + u) += factor * first.weight(k, c, u);
      }
  }
  Node joined = node;
  if (behind) joined.attrs = first.node->attrs;
  sum.store(edit, joined, kernel_of(behind ? first : second, second.out, first.in));
  joined.in[0] = first.node->in[0];
  edit.replace(node, std::move(joined));
  edit.remove(*first.node);
  return true;
}

// One axis of a kernel that covers two others: where theirs begin in it.
struct Cover {
  int64_t kernel, pad_begin, pad_end, shift[2];
};

bool cover(const Linear (&parts)[2], size_t axis, size_t axes, Cover* cover) {
  int64_t begin[2], end[2], excess[2];
  for (size_t i = 0; i < 2; ++i) {
    const List<int64_t> pads = AttrReader(*parts[i].node).integers("pads");
    if (!pads.empty() && pads.size() != 2 * axes) return false;
    const int64_t kernel = parts[i].shape()[2 + axis];
    begin[i] = pads.empty() ? 0 : pads[axis];
    end[i] = kernel - begin[i];
    const int64_t behind = pads.empty() ? 0 : pads[axes + axis];
    if (std::min(begin[i], behind) < 0 || std::max(begin[i], behind) > kernel) return false;
    excess[i] = kernel - begin[i] - behind;
  }
  if (excess[0] != excess[1]) return false;  // their results differ in size
  cover->pad_begin = std::max(begin[0], begin[1]);
  cover->kernel = cover->pad_begin + std::max(end[0], end[1]);
  cover->pad_end = cover->kernel - cover->pad_begin - excess[0];
  for (size_t i = 0; i < 2; ++i) cover->shift[i] = cover->pad_begin - begin[i];
  return cover->pad_end >= 0;
}

// Two that read the same and whose results are only added: one kernel that covers both.
bool merge_sum(Edit& edit, Node& add) {
  if (!is(&add, "Add") || add.in.size() != 2 || add.in[0] == add.in[1]) return false;
  Linear parts[2];
  for (size_t i = 0; i < 2; ++i) {
    if (!parts[i].read(edit, edit.maker(add.in[i])) || edit.only_user(add.in[i]) != &add) return false;
    const AttrReader attrs(*parts[i].node);
    if (is_automatic(attrs) || !all_are(attrs.integers("dilations"), 1)) return false;
  }
  const auto strides = [](const Linear& part) { return AttrReader(*part.node).integers("strides"); };
  const List<int64_t> step[2] = {strides(parts[0]), strides(parts[1])};
  const bool unit = all_are(step[0], 1) && all_are(step[1], 1);
  if (!unit && !std::equal(step[0].begin(), step[0].end(), step[1].begin(), step[1].end())) return false;
  if (parts[0].node->in[0] != parts[1].node->in[0] || parts[0].out != parts[1].out || parts[0].in != parts[1].in)
    return false;
  const size_t rank = parts[0].shape().size(), axes = rank - 2;
  if (parts[1].shape().size() != rank || axes > 3) return false;
  std::array<Cover, 3> covers{};
  Shape shape = kernel_of(parts[0], parts[0].out, parts[0].in);
  std::vector<int64_t> pads(2 * axes), kernel(axes);
  for (size_t a = 0; a < axes; ++a) {
    if (!cover(parts, a, axes, &covers[a])) return false;
    shape[2 + a] = kernel[a] = covers[a].kernel;
    pads[a] = covers[a].pad_begin, pads[axes + a] = covers[a].pad_end;
  }
  const int64_t pairs = parts[0].out * parts[0].in, taps = shape.elements() / pairs;
  if (taps > parts[0].taps + parts[1].taps) return false;

  for (Linear& part : parts) part.fetch();
  Sum sum(parts[0].out, parts[0].in, taps);
  for (size_t i = 0; i < 2; ++i) {
    const Shape& own = parts[i].shape();
    for (int64_t t = 0; t < parts[i].taps; ++t) {
      int64_t rest = t, place = 0, scale = 1;
      for (size_t a = axes; a-- > 0; rest /= own[2 + a], scale *= kernel[a])
        place += (rest % own[2 + a] + covers[a].shift[i]) * scale;
      for (int64_t m = 0; m < sum.out; ++m)
        for (int64_t c = 0; c < sum.in; ++c) sum.weight(m, c, place) += parts[i].weight(m, c, t);
    }
    for (int64_t m = 0; m < sum.out; ++m) sum.bias[static_cast<size_t>(m)] += parts[i].shift(m);
  }
  Node merged = *parts[0].node;
  Attrs attrs = merged.attrs ? *merged.attrs : Attrs{};
  std::erase_if(attrs, [](const auto& attr) {
    return attr.first == "pads" || attr.first == "kernel_shape" || attr.first == "auto_pad";
  });
  attrs.emplace_back("pads", std::move(pads));
  merged.attrs = std::make_shared<const Attrs>(std::move(attrs));
  sum.store(edit, merged, shape);
  merged.out = add.out;
  edit.replace(add, std::move(merged));
  for (const Linear& part : parts) edit.remove(*part.node);
  return true;
}

}  // namespace

bool merge_convs(Graph& graph, const Fits&) {
  return edit_each(graph, [](Edit& edit, Node& node) {
    bool changed = false;
    while (is(&node, "Conv") && merge_chain(edit, node)) changed = true;
    return merge_sum(edit, node) || changed;
  });
}

}  // namespace tessera::optimizer
