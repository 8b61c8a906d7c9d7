// BatchNormalization. Until opset 13, asking for more than one output means training.
#include "ops/normalization.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

// Channels: axis 1 of [N, C, ...]. Opsets below 9 with spatial = 0 normalize each element of a
// picture by itself: then all axes but the first are "channels".
struct Planes {
  int64_t batch, channels, plane;
  Planes(const AttrReader& n, const Shape& x) {
    const bool spatial = !n.has("spatial") || n.integer("spatial") != 0;
    batch = x.empty() ? 1 : x[0];
    channels = x.rank() < 2 ? 1 : spatial ? x[1] : x.elements(1, x.size());
    plane = x.rank() < 2 || !spatial ? 1 : x.elements(2, x.size());
  }
};

void infer_batch(Infer& n) {
  const Shape& x = n.shape(0);
  const Planes p(n, x);
  for (int i = 1; i < 5; ++i)
    if (n.shape(i).elements() != p.channels)
      fail(Error::Kind::shape, "input ", i, " is ", n.shape(i), " for ", p.channels, " channels");
  n.set(0, x);
  for (int i = 1; i < n.outputs(); ++i) n.set(i, n.in(i < 3 ? i + 2 : i).dtype, n.shape(3));
}

struct Channel {
  double mean, variance;
};

template <class T>
Channel measure(const Read<T>& x, const Planes& p, int64_t c) {
  const double count = static_cast<double>(p.batch * p.plane);
  Channel m{0, 0};
  const auto each = [&](auto body) {
    for (int64_t n = 0; n < p.batch; ++n)
      for (int64_t i = 0; i < p.plane; ++i) body(static_cast<double>(x[(n * p.channels + c) * p.plane + i]));
  };
  each([&](double v) { m.mean += v; });
  m.mean /= count;
  each([&](double v) { m.variance += (v - m.mean) * (v - m.mean); });
  m.variance /= count;
  return m;
}

void batch(const Args& a, bool training) {
  const Planes p(a, a.in[0].shape());
  const double epsilon = static_cast<double>(a.real("epsilon")), momentum = static_cast<double>(a.real("momentum"));
  const Read<double> scale(a.in[1]), bias(a.in[2]), mean(a.in[3]), variance(a.in[4]);
  const auto store = [&](size_t out, int64_t c, double value) {
    if (out < a.out.size() && a.out[out]) set_element(a.out[out], c, value);
  };
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    for (int64_t c = 0; c < p.channels; ++c) {
      Channel m{mean[c], variance[c]};
      if (training) {
        m = measure(x, p, c);
        store(1, c, mean[c] * momentum + m.mean * (1 - momentum));
        store(2, c, variance[c] * momentum + m.variance * (1 - momentum));
        store(3, c, m.mean);
        store(4, c, m.variance);
      }
      const double s = scale[c] / std::sqrt(m.variance + epsilon), b = bias[c] - m.mean * s;
      for (int64_t n = 0; n < p.batch; ++n) {
        const int64_t at = (n * p.channels + c) * p.plane;
        for (int64_t i = at; i < at + p.plane; ++i) y[i] = static_cast<T>(static_cast<double>(x[i]) * s + b);
      }
    }
  });
}

void batch_1(const Args& a) {
  bool training = false;
  for (size_t i = 1; i < a.out.size(); ++i) training = training || a.out[i];
  batch(a, training);
}

void batch_14(const Args& a) { batch(a, a.integer("training_mode") != 0); }

constexpr AttrDef attrs[] = {
    {"epsilon", 1e-5}, {"momentum", 0.9}, {"spatial", 1, {}, false, 1, 8}, {.name = "training_mode", .since = 14}};
const OpDef defs[] = {{.name = "BatchNormalization",
                       .since = 1,
                       .in = {5, 5},
                       .out = {1, 5},
                       .types = "T=float : T, T, T, T, T -> T",
                       .attrs = attrs,
                       .infer = infer_batch,
                       .reference = batch_1,
                       .reach = reach::along},
                      {.name = "BatchNormalization",
                       .since = 14,
                       .in = {5, 5},
                       .out = {1, 3},
                       .types = "T=float; S=float; U=float : T, S, S, U, U -> T",
                       .attrs = attrs,
                       .infer = infer_batch,
                       .reference = batch_14,
                       .reach = reach::along}};

}  // namespace

extern const OpFile batch_normalization;
const OpFile batch_normalization{defs};

}  // namespace tessera::ops
