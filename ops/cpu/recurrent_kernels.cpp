// LSTM, GRU and RNN of float32 with constant weights and the usual activations: the inputs of all steps
// go through one product, then each step multiplies its state.
#include <algorithm>
#include <cstring>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/product.h"
#include "ops/elementwise.h"
#include "runtime/base/rounding.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

enum Member { lstm_member, gru_member, rnn_member };
enum Input { x_in, w_in, r_in, b_in, lengths_in, h_in, c_in, peepholes_in };

struct Extents {
  int64_t steps, batch, input, hidden, directions, gates;
  bool lstm, gru, reverse, linear_before_reset;

  Extents(const CpuKernel& kernel, const AttrReader& attrs, const Shape& x, const Shape& w)
      : steps(x[0]),
        batch(x[1]),
        input(x[2]),
        directions(w[0]),
        lstm(kernel.member == lstm_member),
        gru(kernel.member == gru_member) {
    gates = lstm ? 4 : gru ? 3 : 1;
    hidden = w[1] / gates;
    reverse = attrs.text("direction") == "reverse";
    linear_before_reset = attrs.integer("linear_before_reset") != 0;
  }
  /// Gates whose state product is taken at once; GRU may need the last one after the reset.
  int64_t joint_gates() const { return gru && !linear_before_reset ? 2 : gates; }
};

// y[m, columns] = x[m, depth] * rows of a weight matrix [columns, depth].
Product product(int64_t m, int64_t depth, int64_t columns) {
  Product p;
  p.m = m;
  p.k = depth;
  p.n = columns;
  p.a_row = depth;
  p.b_depth = 1;
  p.b_column = depth;
  p.right_stride = depth * columns;
  return p;
}

// What a run keeps in scratch, in floats.
struct Room {
  int64_t inputs, sums, h, c, reset, product;

  Room(const Extents& e, int threads) {
    inputs = round_up(e.steps * e.batch * e.gates * e.hidden, 16);
    sums = round_up(e.batch * e.gates * e.hidden, 16);
    h = c = reset = round_up(e.batch * e.hidden, 16);
    product =
        round_up(std::max({product_scratch(cpu::product(e.steps * e.batch, e.input, e.gates * e.hidden), true, threads),
                           product_scratch(cpu::product(e.batch, e.hidden, e.joint_gates() * e.hidden), true, threads),
                           product_scratch(cpu::product(e.batch, e.hidden, e.hidden), true, threads)}) /
                     4,
                 16);
  }
  int64_t floats() const { return inputs + sums + h + c + reset + product; }
};

// An RNN has one for all directions, Tanh or Relu.
uint16_t rnn_activation(const AttrReader& attrs) {
  const List<std::string> names = attrs.texts("activations");
  return !names.empty() && names[0] == "Relu" ? elementwise::Relu : elementwise::Tanh;
}

bool usual_activations(const AttrReader& attrs, bool lstm, bool gru) {
  const List<std::string> names = attrs.texts("activations");
  if (!lstm && !gru)
    return std::all_of(names.begin(), names.end(),
                       [&](Text name) { return name == names[0] && (name == "Tanh" || name == "Relu"); });
  const size_t each = lstm ? 3 : 2;
  for (size_t i = 0; i < names.size(); ++i) {
    const Text wanted = i % each == 0 ? "Sigmoid" : "Tanh";
    if (names[i] != wanted) return false;
  }
  return true;
}

bool accepts(const CpuKernel& kernel, const Problem& problem) {
  const AttrReader attrs(problem.node);
  for (size_t i = 0; i < problem.node.op_inputs(); ++i)
    if (i != lengths_in && has_input(problem, i) && !is_float32(problem.in[i])) return false;
  if (!problem.constants[w_in] || !problem.constants[r_in] || problem.in[x_in].shape.size() != 3) return false;
  const Extents e(kernel, attrs, problem.in[x_in].shape, problem.in[w_in].shape);
  return !has_input(problem, lengths_in) && !has_input(problem, peepholes_in) && e.hidden > 0 && e.input > 0 &&
         usual_activations(attrs, e.lstm, e.gru) && !attrs.has("clip") && attrs.integer("input_forget") == 0 &&
         attrs.integer("layout") == 0;
}

// Tensors: input weights, then state weights, of every direction; a GRU that resets first has the
// state weights of its last gate apart.
std::shared_ptr<const Packed> pack(const CpuKernel& kernel, const Problem& problem) {
  const Tensor &w = *problem.constants[w_in], &r = *problem.constants[r_in];
  const Extents e(kernel, AttrReader(problem.node), Shape{1, 1, w.type.shape[2]}, w.type.shape);
  auto packed = std::make_shared<Packed>();
  const auto add = [&](int64_t depth, int64_t columns, int64_t stride, const float* from) {
    Product p = product(1, depth, columns);
    p.right_count = e.directions;
    p.right_stride = stride;
    packed->tensors.push_back(Tensor::make_packed({DType::float32, Shape{packed_floats(p)}}));
    pack_right(p, from, packed->tensors.back().as<float>(), nullptr);
  };
  const int64_t joint = e.joint_gates(), whole = e.gates * e.hidden;
  add(e.input, whole, whole * e.input, w.as<const float>());
  add(e.hidden, joint * e.hidden, whole * e.hidden, r.as<const float>());
  if (joint < e.gates) add(e.hidden, e.hidden, whole * e.hidden, r.as<const float>() + joint * e.hidden * e.hidden);
  return packed;
}

int64_t scratch(const CpuKernel& kernel, const Problem& problem, int threads) {
  return Room(Extents(kernel, AttrReader(problem.node), problem.in[x_in].shape, problem.in[w_in].shape), threads)
             .floats() *
         4;
}

class Layer {
 public:
  Layer(const CpuKernel& kernel, const Args& args, Threads& threads)
      : args_(args),
        threads_(threads),
        e_(kernel, args, args.in[x_in].shape(), args.in[w_in].shape()),
        map_(map_simd(level())) {
    const Room room(e_, threads.count());
    inputs_ = reinterpret_cast<float*>(args.scratch);
    sums_ = inputs_ + room.inputs;
    h_ = sums_ + room.sums;
    c_ = h_ + room.h;
    reset_ = c_ + room.c;
    product_ = reinterpret_cast<std::byte*>(reset_ + room.reset);
  }

  void run() {
    for (int64_t d = 0; d < e_.directions; ++d) run_direction(d);
  }

 private:
  const float* bias(int64_t d, bool state) const {
    const bool given = args_.node().op_inputs() > b_in && args_.has_in(b_in);
    return given ? args_.in[b_in].as<const float>() + (2 * d + (state ? 1 : 0)) * e_.gates * e_.hidden : nullptr;
  }

  float* output(size_t i) const {
    return i < args_.out.size() && args_.out[i].data ? args_.out[i].as<float>() : nullptr;
  }

  void add(const float* y, float* values, int64_t n) const {
    map_.binary[elementwise::Add - MapSimd::unary_functions][static_cast<int>(Along::both)](values, y, values, n);
  }
  void multiply_by(const float* x, const float* y, float* out, int64_t n) const {
    map_.binary[elementwise::Mul - MapSimd::unary_functions][static_cast<int>(Along::both)](x, y, out, n);
  }
  void apply(uint16_t function, float* values, int64_t n) const { map_.unary[function](values, values, n, 0, 0); }

  // out = left * the direction's packed weights + per-column numbers.
  void project(size_t weights, int64_t d, int64_t m, int64_t depth, int64_t columns, const float* left,
               const float* addend, float* out) {
    const Product p = product(m, depth, columns);
    const Tensor& packed = args_.packed->tensors[weights];
    const int64_t each = packed.type.shape[0] / e_.directions;
    const ProductData data{
        .a = left, .packed = packed.as<const float>() + d * each, .bias = addend, .out = out, .scratch = product_};
    multiply(p, data, {}, threads_);
  }

  void start(float* state, size_t input, int64_t d) const {
    const int64_t n = e_.batch * e_.hidden;
    const bool given = args_.node().op_inputs() > input && args_.has_in(input);
    if (given)
      std::memcpy(state, args_.in[input].as<const float>() + d * n, static_cast<size_t>(n) * 4);
    else
      std::fill_n(state, n, 0.0f);
  }

  void run_direction(int64_t d) {
    const int64_t n = e_.batch * e_.hidden, wide = e_.gates * e_.hidden;
    start(h_, h_in, d);
    if (e_.lstm) start(c_, c_in, d);
    project(0, d, e_.steps * e_.batch, e_.input, wide, args_.in[x_in].as<const float>(), bias(d, false), inputs_);
    const bool backwards = e_.reverse || d == 1;
    for (int64_t s = 0; s < e_.steps && !stop_requested(); ++s) {
      const int64_t t = backwards ? e_.steps - 1 - s : s;
      const float* in = inputs_ + t * e_.batch * wide;
      project(1, d, e_.batch, e_.hidden, e_.joint_gates() * e_.hidden, h_, bias(d, true), sums_);
      if (e_.lstm)
        lstm_step(in);
      else if (e_.gru)
        gru_step(in, d);
      else
        rnn_step(in);
      if (float* y = output(0)) std::memcpy(y + (t * e_.directions + d) * n, h_, static_cast<size_t>(n) * 4);
    }
    if (float* y = output(1)) std::memcpy(y + d * n, h_, static_cast<size_t>(n) * 4);
    if (float* y = e_.lstm ? output(2) : nullptr) std::memcpy(y + d * n, c_, static_cast<size_t>(n) * 4);
  }

  // Gates in, out, forget, cell.
  void lstm_step(const float* in) {
    const int64_t size = e_.hidden;
    add(in, sums_, e_.batch * 4 * size);
    for (int64_t b = 0; b < e_.batch; ++b) {
      float* gate = sums_ + b * 4 * size;
      float *c = c_ + b * size, *h = h_ + b * size;
      apply(elementwise::Sigmoid, gate, 3 * size);
      apply(elementwise::Tanh, gate + 3 * size, size);
      multiply_by(gate + 2 * size, c, c, size);
      multiply_by(gate, gate + 3 * size, gate, size);
      add(gate, c, size);
      map_.unary[elementwise::Tanh](c, h, size, 0, 0);
      multiply_by(gate + size, h, h, size);
    }
  }

  void rnn_step(const float* in) {
    const int64_t n = e_.batch * e_.hidden;
    add(in, sums_, n);
    map_.unary[rnn_activation(args_)](sums_, h_, n, 0, 0);
  }

  // Gates update, reset, hidden; h = (1 - update) * hidden + update * h.
  void gru_step(const float* in, int64_t d) {
    const int64_t size = e_.hidden, joint = e_.joint_gates();
    for (int64_t b = 0; b < e_.batch; ++b) {
      float* gate = sums_ + b * joint * size;
      const float* own = in + b * 3 * size;
      add(own, gate, 2 * size);
      apply(elementwise::Sigmoid, gate, 2 * size);
      if (joint == 3)
        multiply_by(gate + size, gate + 2 * size, reset_ + b * size, size);
      else
        multiply_by(gate + size, h_ + b * size, reset_ + b * size, size);
    }
    float* hidden = reset_;
    if (joint == 2) {
      hidden = sums_ + e_.batch * 2 * size;
      const float* state_bias = bias(d, true);
      project(2, d, e_.batch, size, size, reset_, state_bias ? state_bias + 2 * size : nullptr, hidden);
    }
    for (int64_t b = 0; b < e_.batch; ++b) {
      float *value = hidden + b * size, *h = h_ + b * size;
      const float* update = sums_ + b * joint * size;
      add(in + b * 3 * size + 2 * size, value, size);
      apply(elementwise::Tanh, value, size);
      map_.binary[elementwise::Sub - MapSimd::unary_functions][static_cast<int>(Along::both)](h, value, h, size);
      multiply_by(update, h, h, size);
      add(value, h, size);
    }
  }

  const Args& args_;
  Threads& threads_;
  Extents e_;
  const MapSimd& map_;
  float *inputs_, *sums_, *h_, *c_, *reset_;
  std::byte* product_;
};

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept { Layer(kernel, args, threads).run(); }

constexpr CpuKernel kernels[] = {
    {.op = "LSTM",
     .name = "lstm",
     .member = lstm_member,
     .accepts = accepts,
     .pack = pack,
     .scratch = scratch,
     .run = run},
    {.op = "GRU",
     .name = "gru",
     .member = gru_member,
     .accepts = accepts,
     .pack = pack,
     .scratch = scratch,
     .run = run},
    {.op = "RNN",
     .name = "rnn",
     .member = rnn_member,
     .accepts = accepts,
     .pack = pack,
     .scratch = scratch,
     .run = run},
};

}  // namespace

extern const KernelFile recurrent_kernels;
const KernelFile recurrent_kernels{kernels};

}  // namespace tessera::cpu
