// com.microsoft GroupNorm: groups of channels share their moments; the channels come last, or second. Then x *
// sigmoid(x) if asked for.
#include "ops/normalization.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

bool channels_last(const AttrReader& n) { return n.integer("channels_last") != 0; }

void infer_norm(Infer& n) {
  const Shape& x = n.shape(0);
  if (x.rank() != 4) fail(Error::Kind::shape, "input ", x, " has not four axes");
  const int64_t channels = channels_last(n) ? x[3] : x[1], groups = n.integer("groups"),
                curve = n.integer("activation");
  if (groups < 1 || channels % groups)
    fail(Error::Kind::shape, channels, " channels do not split into ", groups, " groups");
  if (curve != 0 && curve != 1) fail(Error::Kind::model, "attribute \"activation\" is ", curve);
  for (const int i : {1, 2})
    if (!(n.shape(i) == Shape{channels})) fail(Error::Kind::shape, n.shape(i), " for ", channels, " channels");
  n.set(0, x);
}

void reference(const Args& a) {
  const Shape& shape = a.in[0].shape();
  const bool last = channels_last(a), bent = a.integer("activation") == 1;
  const int64_t channels = last ? shape[3] : shape[1], plane = last ? shape[1] * shape[2] : shape[2] * shape[3];
  const int64_t groups = a.integer("groups"), each = channels / groups;
  const Read<double> x(a.in[0]), scale(a.in[1]), bias(a.in[2]);
  Write<float> y(a.out[0]);
  RunVector<double> values(static_cast<size_t>(each * plane));
  for (const int64_t g : Steps(shape[0] * groups)) {
    const int64_t batch = g / groups, first = g % groups * each;
    const auto place = [&](int64_t c, int64_t p) {
      return last ? (batch * plane + p) * channels + first + c : (batch * channels + first + c) * plane + p;
    };
    for (int64_t c = 0; c < each; ++c)
      for (int64_t p = 0; p < plane; ++p) values[static_cast<size_t>(c * plane + p)] = x[place(c, p)];
    const Moments m = moments(values.data(), each * plane);
    const double factor = 1 / std::sqrt(m.variance + static_cast<double>(a.real("epsilon")));
    for (int64_t c = 0; c < each; ++c)
      for (int64_t p = 0; p < plane; ++p) {
        const double value =
            (values[static_cast<size_t>(c * plane + p)] - m.mean) * factor * scale[first + c] + bias[first + c];
        y[place(c, p)] = static_cast<float>(bent ? value / (1 + std::exp(-value)) : value);
      }
  }
}

constexpr AttrDef attrs[] = {{"epsilon", 1e-5},
                             {.name = "groups", .required = true},
                             {.name = "activation", .required = true},
                             {"channels_last", 1}};
const OpDef defs[] = {{.name = "GroupNorm",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {3, 3},
                       .types = "T=float16|bfloat16|float32; S=float : T, S, S -> T",
                       .attrs = attrs,
                       .infer = infer_norm,
                       .reference = reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile group_norm;
const OpFile group_norm{defs};

}  // namespace tessera::ops
