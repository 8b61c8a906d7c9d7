// What RNN, GRU and LSTM share: shapes, directions, ragged sequences, activations and clipping.
#pragma once

#include <algorithm>

#include "ops/numbers.h"
#include "ops/steps.h"
#include "ops/work.h"

namespace tessera::ops {

enum RecurrentIn { rnn_x, rnn_w, rnn_r, rnn_b, rnn_lengths, rnn_h0, rnn_c0, rnn_peepholes };

/// The extents of a recurrent node, checked against all its operands.
struct RecurrentShape {
  int64_t sequence, batch, input, hidden, directions;
  bool batch_first, reverse;

  RecurrentShape(const AttrReader& n, const Shape& x, const Shape& w, const Shape& r, int gates) {
    if (x.rank() != 3 || w.rank() != 3 || r.rank() != 3)
      fail(Error::Kind::shape, "X ", x, ", W ", w, " and R ", r, " must have three axes each");
    batch_first = n.integer("layout") != 0;
    sequence = x[batch_first ? 1 : 0];
    batch = x[batch_first ? 0 : 1];
    input = x[2];
    hidden = r[2];
    const Text direction = n.text("direction");
    reverse = direction == "reverse";
    if (!reverse && direction != "forward" && direction != "bidirectional")
      fail(Error::Kind::model, "attribute \"direction\" is \"", direction, "\"");
    directions = direction == "bidirectional" ? 2 : 1;
    if (n.has("hidden_size") && n.integer("hidden_size") != hidden)
      fail(Error::Kind::shape, "hidden_size is ", n.integer("hidden_size"), ", but R is ", r);
    if (!(w == Shape{directions, gates * hidden, input}) || !(r == Shape{directions, gates * hidden, hidden}))
      fail(Error::Kind::shape, "W ", w, " and R ", r, " do not fit X ", x, " in ", directions, " directions");
  }

  Shape state() const { return batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden}; }
  Shape all_states() const {
    return batch_first ? Shape{batch, sequence, directions, hidden} : Shape{sequence, directions, batch, hidden};
  }
  int64_t x_at(int64_t t, int64_t b) const { return (batch_first ? b * sequence + t : t * batch + b) * input; }
  int64_t state_at(int64_t d, int64_t b) const { return (batch_first ? b * directions + d : d * batch + b) * hidden; }
  int64_t y_at(int64_t t, int64_t d, int64_t b) const {
    return (batch_first ? (b * sequence + t) * directions + d : (t * directions + d) * batch + b) * hidden;
  }
};

inline void infer_recurrent(Infer& n, int gates, bool cell) {
  const RecurrentShape s(n, n.shape(rnn_x), n.shape(rnn_w), n.shape(rnn_r), gates);
  const auto expect = [&](int i, const Shape& wanted) {
    if (n.has_input(i) && !(n.shape(i) == wanted))
      fail(Error::Kind::shape, "input ", i, " is ", n.shape(i), ", not ", wanted);
  };
  const size_t activations = n.texts("activations").size(), each = gates == 1 ? 1 : cell ? 3 : 2;
  if (activations && activations != each * static_cast<size_t>(s.directions))
    fail(Error::Kind::model, activations, " activations, but ", each, " for each of ", s.directions,
         " directions are needed");
  expect(rnn_b, {s.directions, 2 * gates * s.hidden});
  expect(rnn_lengths, {s.batch});
  expect(rnn_h0, s.state());
  if (cell) expect(rnn_c0, s.state());
  if (cell) expect(rnn_peepholes, {s.directions, 3 * s.hidden});
  n.set(0, s.all_states());
  n.set(1, s.state());
  if (cell) n.set(2, s.state());
}

/// One activation function by its name, with its parameters.
struct Activation {
  using Function = double (*)(double x, double a, double b);
  Function function = nullptr;
  double a = 0, b = 0;
  double operator()(double x) const { return function(x, a, b); }
};

struct NamedActivation {
  Text name;
  Activation::Function function;
  int parameters = 0;
  double a = 0, b = 0;  ///< defaults
};

inline double logistic(double x) { return 1 / (1 + std::exp(-x)); }

inline constexpr NamedActivation rnn_activations[] = {
    {"sigmoid", [](double x, double, double) { return logistic(x); }},
    {"tanh", [](double x, double, double) { return std::tanh(x); }},
    {"relu", [](double x, double, double) { return std::max(x, 0.0); }},
    {"softsign", [](double x, double, double) { return x / (1 + std::abs(x)); }},
    {"softplus", [](double x, double, double) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }},
    {"leakyrelu", [](double x, double a, double) { return x < 0 ? a * x : x; }, 1, 0.01},
    {"thresholdedrelu", [](double x, double a, double) { return x > a ? x : 0; }, 1, 1},
    {"elu", [](double x, double a, double) { return x < 0 ? a * (std::exp(x) - 1) : x; }, 1, 1},
    {"affine", [](double x, double a, double b) { return a * x + b; }, 2, 1, 0},
    {"scaledtanh", [](double x, double a, double b) { return a * std::tanh(b * x); }, 2, 1, 1},
    {"hardsigmoid", [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }, 2, 0.2, 0.5},
};

/// The node's activations, `each` per direction; `defaults` where it names none.
inline std::vector<Activation> read_activations(const AttrReader& n, List<Text> defaults, int64_t directions) {
  std::vector<std::string> names;
  for (const std::string& name : n.texts("activations")) names.push_back(name);
  if (names.empty())
    for (int64_t d = 0; d < directions; ++d) names.insert(names.end(), defaults.begin(), defaults.end());
  if (names.size() != defaults.size() * static_cast<size_t>(directions))
    fail(Error::Kind::model, names.size(), " activations, but ", defaults.size(), " for each of ", directions,
         " directions are needed");
  const auto alphas = n.reals("activation_alpha"), betas = n.reals("activation_beta");
  size_t alpha = 0, beta = 0;
  std::vector<Activation> result;
  for (std::string& name : names) {
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const auto found = std::find_if(std::begin(rnn_activations), std::end(rnn_activations),
                                    [&](const NamedActivation& row) { return row.name == name; });
    if (found == std::end(rnn_activations)) fail(Error::Kind::unsupported, "activation \"", name, "\"");
    Activation made{found->function, found->a, found->b};
    if (found->parameters > 0 && alpha < alphas.size()) made.a = static_cast<double>(alphas[alpha++]);
    if (found->parameters > 1 && beta < betas.size()) made.b = static_cast<double>(betas[beta++]);
    result.push_back(made);
  }
  return result;
}

/// Runs a recurrent node. A `step(state, pre)` gets the gates' input parts W x + biases and updates
/// the state in place.
template <class T>
class Recurrence {
 public:
  Recurrence(const Args& a, int gates, List<Text> activations)
      : a_(a),
        gates_(gates),
        shape_(a, a.in[rnn_x].shape(), a.in[rnn_w].shape(), a.in[rnn_r].shape(), gates),
        x_(a.in[rnn_x]),
        w_(a.in[rnn_w]),
        r_(a.in[rnn_r]),
        bias_(a.has_in(rnn_b) ? a.in[rnn_b] : View{}),
        functions_(read_activations(a, activations, shape_.directions)),
        clip_(a.has("clip") ? static_cast<double>(a.real("clip")) : 0) {}

  struct State {
    int64_t direction = 0;
    RunVector<double> h, c;
  };

  int64_t hidden() const { return shape_.hidden; }
  double bias(int64_t d, int64_t i) const { return bias_ ? bias_[d * 2 * gates_ * shape_.hidden + i] : 0; }
  const Activation& function(int64_t d, size_t i) const {
    return functions_[static_cast<size_t>(d) * functions_.size() / static_cast<size_t>(shape_.directions) + i];
  }
  double clipped(double v) const { return clip_ > 0 ? std::clamp(v, -clip_, clip_) : v; }

  /// Row `row` of R in direction d, times h.
  double recur(int64_t d, int64_t row, const RunVector<double>& h) const {
    const T* r = r_.data() + (d * gates_ * shape_.hidden + row) * shape_.hidden;
    double sum = 0;
    for (int64_t i = 0; i < shape_.hidden; ++i) sum += static_cast<double>(r[i]) * h[static_cast<size_t>(i)];
    return sum;
  }

  template <class Step>
  void run(bool cell, Step step) {
    Write<T> y(output(0)), y_h(output(1)), y_c(cell ? output(2) : View{});
    const Read<double> h0(a_.has_in(rnn_h0) ? a_.in[rnn_h0] : View{});
    const Read<double> c0(cell && a_.has_in(rnn_c0) ? a_.in[rnn_c0] : View{});
    const auto hidden = static_cast<size_t>(shape_.hidden);
    RunVector<double> pre(hidden * static_cast<size_t>(gates_));
    if (y) std::fill_n(y.data(), a_.out[0].elements(), T(0));
    for (int64_t d = 0; d < shape_.directions; ++d)
      for (int64_t b = 0; b < shape_.batch; ++b) {
        State state{d, RunVector<double>(hidden), RunVector<double>(hidden)};
        const int64_t at = shape_.state_at(d, b);
        for (size_t i = 0; i < hidden; ++i) {
          if (h0) state.h[i] = h0[at + static_cast<int64_t>(i)];
          if (c0) state.c[i] = c0[at + static_cast<int64_t>(i)];
        }
        const int64_t length = length_of(b);
        const bool backwards = shape_.reverse || d == 1;
        for (const int64_t s : Steps(length)) {
          const int64_t t = backwards ? length - 1 - s : s;
          project(d, t, b, pre);
          step(state, pre);
          if (y) copy(state.h, y.data() + shape_.y_at(t, d, b));
        }
        if (y_h) copy(state.h, y_h.data() + at);
        if (y_c) copy(state.c, y_c.data() + at);
      }
  }

 private:
  View output(size_t i) const { return i < a_.out.size() ? a_.out[i] : View{}; }
  static void copy(const RunVector<double>& from, T* to) {
    for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<T>(from[i]);
  }

  int64_t length_of(int64_t b) const {
    const int64_t length = integer_or(a_, rnn_lengths, shape_.sequence, b);
    if (length < 0 || length > shape_.sequence)
      fail(Error::Kind::shape, "sequence length ", length, " of ", shape_.sequence);
    return length;
  }

  // pre = W x + Wb
  void project(int64_t d, int64_t t, int64_t b, RunVector<double>& pre) const {
    const T* x = x_.data() + shape_.x_at(t, b);
    const int64_t rows = gates_ * shape_.hidden;
    for (int64_t row = 0; row < rows; ++row) {
      const T* w = w_.data() + (d * rows + row) * shape_.input;
      double sum = bias(d, row);
      for (int64_t i = 0; i < shape_.input; ++i) sum += static_cast<double>(w[i]) * static_cast<double>(x[i]);
      pre[static_cast<size_t>(row)] = sum;
    }
  }

  const Args& a_;
  int64_t gates_;
  RecurrentShape shape_;
  Read<T> x_, w_, r_;
  Read<double> bias_;
  std::vector<Activation> functions_;
  double clip_;
};

inline constexpr AttrDef recurrent_attrs[] = {{"input_forget"},
                                              {"direction", 0, "forward"},
                                              {.name = "layout", .since = 14},
                                              {"activation_alpha"},
                                              {"activation_beta"},
                                              {"activations"},
                                              {"clip"},
                                              {"hidden_size"},
                                              {.name = "linear_before_reset", .since = 3}};
inline constexpr size_t recurrent_attr_count = std::size(recurrent_attrs);

inline double recurrent_work(const AttrReader&, List<Type> in, List<Type>) {
  const Shape& x = in[rnn_x].shape;
  return x[0] * x[1] == 0 ? 0 : (sums(in[rnn_w], x[0]) + sums(in[rnn_r], x[0])) * static_cast<double>(x[1]);
}

}  // namespace tessera::ops
