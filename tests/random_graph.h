// Random graphs of convolutions and products with moves between them, quantized or not.
#pragma once

#include "tests/fuzz/choices.h"
#include "tests/graph_builder.h"
#include "tests/support.h"

namespace tessera::test {

/// What a random graph computes with. `exact` graphs have scales that are powers of two and sums that float32 holds, so
/// that every order of summation and every way to round give the same bits.
enum class Numbers { exact, rough, float32, float16 };

/// One graph per seed or choices, and kind; the same on every machine.
class RandomGraph : public GraphBuilder {
 public:
  RandomGraph(uint32_t seed, Numbers numbers) : RandomGraph(Choices(seed), numbers, seed) {}
  RandomGraph(const Choices& choices, Numbers numbers, uint32_t seed) : numbers_(numbers), choices_(choices) {
    const Shape shape{pick({1, 1, 2}), channels(), extent(), extent()};
    Piece first{absent, shape, real_type(), 1, 0};
    if (quantized() && below(2)) {
      first = bytes_like(shape, 4);
      first.id = input("x", {first.type, shape});
    } else {
      first.id = input("x", {real_type(), shape});
      if (quantized()) first = stored(first.id, shape, 4);
    }
    const auto low = first.type == DType::uint8 ? 0.0 : first.type == DType::int8 ? -128.0 : -4.0;
    const bool given_bytes = graph.values[graph.inputs[0]].type.dtype == first.type && is_bytes(first);
    inputs.push_back(given_bytes ? tessera::test::random_tensor(first.type, shape, seed, low, low + 256)
                                 : tessera::test::random_tensor(real_type(), shape, seed, -4, 4));
    pool_.push_back(first);
    for (int64_t steps = 3 + below(8); steps > 0; --steps) step();
    finish();
  }

  std::vector<Tensor> inputs;
  std::vector<double> quanta;  ///< of each output: a step of its last quantization

 private:
  struct Piece {
    ValueId id;
    Shape shape;
    DType type;
    double scale, zero;  // of bytes; a real number's are those that it came from
  };

  bool quantized() const { return numbers_ == Numbers::exact || numbers_ == Numbers::rough; }
  DType real_type() const { return numbers_ == Numbers::float16 ? DType::float16 : DType::float32; }
  static bool is_bytes(const Piece& p) { return p.type == DType::uint8 || p.type == DType::int8; }

  int64_t below(int64_t end) { return choices_.below(end); }
  int64_t pick(std::initializer_list<int64_t> items) { return choices_.pick(items); }
  int64_t channels() { return pick({1, 3, 5, 8, 16, 16, 17, 24, 32, 48}); }
  int64_t extent() { return pick({1, 2, 3, 4, 5, 6, 8, 9, 12, 19}); }
  ValueId numbers(const Shape& shape, double low, double high) {
    return constant(tessera::test::random_tensor(real_type(), shape, choices_.number(), low, high));
  }
  ValueId number(DType type, double value) { return constant(tensor(type, {}, {value})); }
  ValueId vector(std::vector<int64_t> values) { return constant(List<int64_t>(values)); }

  // --- Quantization ---

  // A scale for numbers up to `most`.
  double scale_for(double most) {
    const double scale = most / 127;
    return numbers_ == Numbers::exact ? std::exp2(std::ceil(std::log2(scale)))
                                      : scale * (1 + 0.1 * static_cast<double>(below(8)));
  }
  Piece bytes_like(const Shape& shape, double most) {
    const bool is_signed = below(2);
    const auto zero = static_cast<double>(is_signed ? pick({0, -3, 12}) : pick({128, 128, 120, 0}));
    return {absent, shape, is_signed ? DType::int8 : DType::uint8, scale_for(most), zero};
  }
  ValueId scale_of(const Piece& p) { return number(DType::float32, p.scale); }
  ValueId zero_of(const Piece& p) { return number(p.type, p.zero); }
  Piece stored_as(ValueId real, Piece p) {
    p.id = node("QuantizeLinear", {real, scale_of(p), zero_of(p)});
    return p;
  }
  Piece stored(ValueId real, const Shape& shape, double most) {
    if (!quantized()) return {real, shape, real_type(), 1, 0};
    return stored_as(real, bytes_like(shape, most));
  }
  ValueId real(const Piece& p) {
    return is_bytes(p) ? node("DequantizeLinear", {p.id, scale_of(p), zero_of(p)}) : p.id;
  }
  // The largest number that the piece is likely to hold.
  double most_of(const Piece& p) const { return is_bytes(p) ? p.scale * 128 : 4; }

  // Weights as real numbers of about `size`; those of quantized graphs are small enough for exact sums.
  ValueId weights(const Shape& shape, double size, int64_t axis) {
    if (!quantized()) return numbers(shape, -size, size);
    const bool is_signed = below(4) != 0;
    const DType type = is_signed ? DType::int8 : DType::uint8;
    const double zero = is_signed ? 0 : 64, scale = scale_for(2 * size);
    const auto w = tessera::test::random_tensor(type, shape, choices_.number(), zero - 63, zero + 63);
    if (below(2)) return node("DequantizeLinear", {constant(w), number(DType::float32, scale), number(type, zero)});
    const int64_t count = shape[static_cast<size_t>(axis)];
    Tensor scales = Tensor::make({DType::float32, {count}});
    for (int64_t i = 0; i < count; ++i) scales.as<float>()[i] = static_cast<float>(scale * (below(2) ? 1 : 0.5));
    return node("DequantizeLinear", {constant(w), constant(scales), constant(tensor(type, {count}, {zero}))},
                {{"axis", axis}});
  }

  // --- Operators ---

  // An operator that moves or picks numbers: on the integers, or on numbers that are quantized again, mostly alike.
  template <class Op>
  Piece moved(const Piece& p, const Shape& shape, const Op& op, bool on_bytes = true) {
    Piece result = p;
    result.shape = shape;
    if (!is_bytes(p) || (on_bytes && below(3) == 0)) {
      result.id = op(p.id, p.type);
      return result;
    }
    const ValueId y = op(real(p), real_type());
    if (below(8) == 0) return {y, shape, real_type(), p.scale, 0};
    return below(4) ? stored_as(y, result) : stored(y, shape, most_of(p));
  }

  Piece sliced(const Piece& p) {
    std::vector<int64_t> starts, ends, axes, steps;
    Shape shape = p.shape;
    for (const int64_t axis : {1, 2, 3}) {
      if (below(2)) continue;
      int64_t& extent = shape[static_cast<size_t>(axis)];
      const int64_t step = pick({1, 1, 1, 2, -1}), begin = below(extent), end = begin + 1 + below(extent - begin);
      axes.push_back(axis), steps.push_back(step);
      starts.push_back(step > 0 ? begin : end - 1);
      ends.push_back(step > 0 ? end : begin - 1 - extent);
      if (step < 0 && begin == 0) ends.back() = -extent - 1;
      extent = step == 2 ? (end - begin + 1) / 2 : end - begin;
    }
    if (axes.empty()) return p;
    return moved(p, shape, [&](ValueId x, DType) {
      return node("Slice", {x, vector(starts), vector(ends), vector(axes), vector(steps)});
    });
  }

  Piece padded(const Piece& p) {
    std::vector<int64_t> pads(8, 0);
    Shape shape = p.shape;
    const std::string mode = pick({0, 1}) ? "constant" : pick({0, 1}) ? "edge" : "reflect";
    for (size_t axis = mode == "constant" ? 1 : 2; axis < 4; ++axis) {
      const int64_t room = mode == "reflect" ? std::min<int64_t>(2, shape[axis] - 1) : 2;
      pads[axis] = below(room + 1), pads[4 + axis] = below(room + 1);
      shape[axis] += pads[axis] + pads[4 + axis];
    }
    return moved(p, shape, [&](ValueId x, DType type) {
      std::vector<ValueId> in{x, vector(pads)};
      if (mode == "constant") in.push_back(number(type, below(2)));
      return node("Pad", in, {{"mode", mode}});
    });
  }

  Piece joined(const Piece& p) {
    Piece q = p;
    for (const Piece& other : pool_)
      if (below(2) && other.shape.size() == 4) q = other;
    size_t axis = 1;
    for (size_t a = 1; a < 4; ++a)
      if (q.shape[a] != p.shape[a]) axis = a;
    Shape same = q.shape, shape = p.shape;
    same[axis] = p.shape[axis];
    if (same != p.shape) q = p;
    shape[axis] += q.shape[axis];
    const Attrs attrs{{"axis", static_cast<int64_t>(axis)}};
    const bool alike = q.type == p.type && q.scale == p.scale && q.zero == p.zero;
    if (alike && below(3) == 0) {
      Piece result = p;
      result.id = node("Concat", {p.id, q.id}, attrs);
      result.shape = shape;
      return result;
    }
    const ValueId y = node("Concat", {real(p), real(q)}, attrs);
    if (alike && is_bytes(p)) {
      Piece like = p;
      like.shape = shape;
      return stored_as(y, like);
    }
    return stored(y, shape, std::max(most_of(p), most_of(q)));
  }

  Piece split(const Piece& p) {
    const auto axis = static_cast<size_t>(pick({1, 1, 2, 3}));
    const int64_t all = p.shape[axis];
    if (all < 2) return p;
    const int64_t first = 1 + below(all - 1);
    const ValueId x = is_bytes(p) && below(2) ? real(p) : p.id;
    const auto parts = nodes("Split", {x, vector({first, all - first})}, 2, {{"axis", static_cast<int64_t>(axis)}});
    Piece result[2];
    for (const size_t i : {0, 1}) {
      result[i] = p;
      result[i].id = parts[i];
      result[i].shape[axis] = i ? all - first : first;
      if (x != p.id) result[i] = stored_as(parts[i], result[i]);
    }
    pool_.push_back(result[0]);
    return result[1];
  }

  Piece transposed(const Piece& p) {
    const std::vector<int64_t> perms[] = {{0, 1, 3, 2}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 2, 1, 3}};
    const auto& perm = perms[below(4)];
    Shape shape = p.shape;
    for (size_t i = 0; i < 4; ++i) shape[i] = p.shape[static_cast<size_t>(perm[i])];
    return moved(p, shape, [&](ValueId x, DType) { return node("Transpose", {x}, {{"perm", perm}}); });
  }

  Piece reshaped(const Piece& p) {
    const Shape& s = p.shape;
    Shape shape{s[0], s[1], s[3], s[2]};
    if (s[1] % 2 == 0 && below(2)) shape = {s[0], s[1] / 2, s[2] * 2, s[3]};
    if (s[2] % 2 == 0 && below(2)) shape = {s[0], s[1] * 2, s[2] / 2, s[3]};
    return moved(p, shape, [&](ValueId x, DType) {
      if (below(2)) x = node("Reshape", {x, vector({s[0], -1})});
      return node("Reshape", {x, vector({shape.begin(), shape.end()})});
    });
  }

  Piece shuffled(const Piece& p) {
    const Shape& s = p.shape;
    if (s[1] % 4 == 0 && s[2] * s[3] < 100)
      return moved(p, {s[0], s[1] / 4, s[2] * 2, s[3] * 2}, [&](ValueId x, DType) {
        return node("DepthToSpace", {x}, {{"blocksize", int64_t{2}}, {"mode", std::string(below(2) ? "CRD" : "DCR")}});
      });
    if (s[2] % 2 || s[3] % 2 || s[1] > 16) return p;
    return moved(p, {s[0], s[1] * 4, s[2] / 2, s[3] / 2}, [&](ValueId x, DType) {
      return node("SpaceToDepth", {x}, {{"blocksize", int64_t{2}}});
    });
  }

  Piece resized(const Piece& p) {
    const Shape& s = p.shape;
    if (s[2] * s[3] > 100) return p;
    const bool linear = below(2);
    const auto op = [&](ValueId x, DType) {
      return node("Resize", {x, absent, constant(floats({4}, {1, 1, 2, 2}))},
                  {{"mode", std::string(linear ? "linear" : "nearest")},
                   {"coordinate_transformation_mode", std::string(linear ? "half_pixel" : "asymmetric")},
                   {"nearest_mode", std::string("floor")}});
    };
    return moved(p, {s[0], s[1], s[2] * 2, s[3] * 2}, op, !linear);
  }

  Piece pooled(const Piece& p) {
    const Shape& s = p.shape;
    const bool average = below(2), small = below(2);
    if (average && quantized() && !small) {
      const int64_t area = s[2] * s[3];
      if (numbers_ == Numbers::exact && (area & (area - 1))) return p;  // a quotient with no end
      return stored(node("GlobalAveragePool", {real(p)}), {s[0], s[1], 1, 1}, most_of(p));
    }
    if (small && (s[2] < 2 || s[3] < 2)) return p;
    const int64_t kernel = small ? 2 : 3, step = small ? 2 : 1, pad = small ? 0 : 1;
    const Shape shape{s[0], s[1], small ? s[2] / 2 : s[2], small ? s[3] / 2 : s[3]};
    return moved(
        p, shape,
        [&](ValueId x, DType) {
          return node(average && small ? "AveragePool" : "MaxPool", {x},
                      {{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
                       {"strides", std::vector<int64_t>{step, step}},
                       {"pads", std::vector<int64_t>{pad, pad, pad, pad}}});
        },
        !average);
  }

  Piece activated(const Piece& p) {
    const double most = most_of(p);
    ValueId y = real(p);
    switch (below(quantized() && numbers_ == Numbers::exact ? 4 : 6)) {
      case 0: y = node("Relu", {y}); break;
      case 1:
        y = node("Clip", {y, number(real_type(), 0), number(real_type(), std::exp2(std::round(std::log2(most))))});
        break;
      case 2: y = node("LeakyRelu", {y}, {{"alpha", 0.25f}}); break;
      case 3: y = node("Clip", {y, number(real_type(), -1), absent}); break;
      case 4: y = node("Sigmoid", {y}); break;
      default: y = node("PRelu", {y, numbers({p.shape[1], 1, 1}, -0.5, 0.5)}); break;
    }
    return stored(y, p.shape, most);
  }

  Piece paired(const Piece& p) {
    Piece q = p;
    for (const Piece& other : pool_)
      if (other.shape == p.shape && below(2)) q = other;
    const bool sum = below(2);
    const double most = sum ? most_of(p) + most_of(q) : most_of(p) * most_of(q) / 2;
    if (!quantized())
      return {node(sum ? "Add" : "Mul", {p.id, sum ? q.id : numbers({1}, 0.5, 1)}), p.shape, p.type, 1, 0};
    if (is_bytes(p) && p.type == q.type && below(3) == 0) {
      Piece result = bytes_like(p.shape, most);
      result.type = p.type;
      if (result.type == DType::int8) result.zero = 5;
      if (result.type == DType::uint8) result.zero = 119;
      result.id =
          node(sum ? "QLinearAdd" : "QLinearMul",
               {p.id, scale_of(p), zero_of(p), q.id, scale_of(q), zero_of(q), scale_of(result), zero_of(result)}, {}, 1,
               "com.microsoft");
      return result;
    }
    // A product of numbers that were not rounded since would not be exact.
    if (!sum && (!is_bytes(p) || !is_bytes(q))) return p;
    return stored(node(sum ? "Add" : "Mul", {real(p), real(q)}), p.shape, most);
  }

  // What a convolution does along one axis.
  struct Axis {
    int64_t kernel, stride, dilation, begin, end;
    int64_t reach() const { return (kernel - 1) * dilation + 1; }
  };
  Axis along(int64_t extent) {
    Axis axis{pick({1, 3, 3, 3, 2, 5}), pick({1, 1, 1, 2, 3}), pick({1, 1, 1, 2}), 0, 0};
    if (axis.reach() > extent + 2) axis.kernel = axis.dilation = 1;
    const bool usual = below(3) != 0;
    axis.begin = usual ? axis.reach() / 2 : below(axis.reach());
    axis.end = usual ? axis.reach() / 2 : below(axis.reach());
    while (extent + axis.begin + axis.end < axis.reach()) ++axis.end;
    return axis;
  }
  int64_t groups_of(int64_t from, int64_t to) {
    const int64_t groups = pick({1, 1, 1, 2, 3, 4, 8});
    return from % groups == 0 && to % groups == 0 ? groups : 1;
  }
  static Attrs attrs_of(const Axis& h, const Axis& w, int64_t group) {
    return {{"pads", std::vector<int64_t>{h.begin, w.begin, h.end, w.end}},
            {"strides", std::vector<int64_t>{h.stride, w.stride}},
            {"dilations", std::vector<int64_t>{h.dilation, w.dilation}},
            {"group", group}};
  }

  Piece convolved(const Piece& p) {
    const Shape& s = p.shape;
    if (quantized() && !is_bytes(p)) return stored(p.id, s, most_of(p));
    Axis h = along(s[2]), w = along(s[3]);
    if (below(2)) h = {h.kernel, 1, 1, h.kernel / 2, (h.kernel - 1) / 2}, w = {h.kernel, 1, 1, h.begin, h.end};
    const bool depthwise = s[1] > 1 && below(4) == 0;
    const int64_t out = depthwise ? s[1] : channels(), group = depthwise ? s[1] : groups_of(s[1], out);
    const int64_t per = s[1] / group, taps = per * h.kernel * w.kernel;
    const auto extent = [](int64_t in, const Axis& a) { return (in + a.begin + a.end - a.reach()) / a.stride + 1; };
    const Shape shape{s[0], out, extent(s[2], h), extent(s[3], w)}, kernel{out, per, h.kernel, w.kernel};
    if (taps > 480 || shape[2] < 1 || shape[3] < 1) return p;
    const double size = 1.0 / std::sqrt(static_cast<double>(taps)), most = most_of(p);
    const Attrs attrs = attrs_of(h, w, group);
    if (quantized() && below(3) == 0) {
      // Per tensor or per channel, by the operator that has it all.
      Piece result = bytes_like(shape, most);
      result.type = p.type;
      const bool several = below(2);
      const Tensor values = tessera::test::random_tensor(DType::int8, kernel, choices_.number(), -63, 63);
      const Tensor scales = tensor(DType::float32, several ? Shape{out} : Shape{}, {scale_for(2 * size)});
      const Tensor zeros = tensor(DType::int8, several ? Shape{out} : Shape{}, {0});
      if (p.type == DType::int8) result.zero = 0;
      if (p.type == DType::uint8) result.zero = 131;
      std::vector<ValueId> in{p.id,
                              scale_of(p),
                              zero_of(p),
                              constant(values),
                              constant(scales),
                              constant(zeros),
                              scale_of(result),
                              zero_of(result)};
      if (below(2))
        in.push_back(constant(tessera::test::random_tensor(DType::int32, {out}, choices_.number(), -3000, 3000)));
      result.id = node("QLinearConv", in, attrs);
      return result;
    }
    std::vector<ValueId> in{real(p), weights(kernel, size, 0)};
    if (!quantized() && below(2)) in.push_back(numbers({out}, -1, 1));
    ValueId y = node("Conv", in, attrs);
    if (!quantized() && below(3) == 0) y = normalized(y, out);
    if (!quantized() && below(3) == 0) {
      // Two that read the same and are added, and one pixel's behind another.
      y = node("Add", {y, node("Conv", {in[0], weights(kernel, size, 0)}, attrs)});
      if (group == 1) y = node("Conv", {y, weights({out, out, 1, 1}, 1.0 / std::sqrt(static_cast<double>(out)), 0)});
    }
    if (below(3) == 0) y = node("Relu", {y});
    return stored(y, shape, most);
  }

  ValueId normalized(ValueId y, int64_t channels) {
    const auto each = [&](double low, double high) { return numbers({channels}, low, high); };
    if (below(2)) return node("BatchNormalization", {y, each(-1, 1), each(-1, 1), each(-1, 1), each(0.5, 2)});
    y = node("Mul", {y, numbers({channels, 1, 1}, -1, 1)});
    return node("Add", {numbers({1, channels, 1, 1}, -1, 1), y});
  }

  Piece spread(const Piece& p) {
    const Shape& s = p.shape;
    if (s[2] * s[3] > 100) return p;
    if (quantized() && !is_bytes(p)) return stored(p.id, s, most_of(p));
    const int64_t out = pick({1, 2, 4, 16}), group = groups_of(s[1], out), kernel = pick({2, 3, 4}),
                  stride = pick({1, 2, 2});
    const int64_t pad = below(2), more = stride == 2 ? below(2) : 0;
    if (s[1] / group * kernel * kernel > 480) return p;
    const auto extent = [&](int64_t in) { return (in - 1) * stride + kernel - 2 * pad + more; };
    if (extent(s[2]) < 1 || extent(s[3]) < 1) return p;
    const double size = static_cast<double>(stride) / std::sqrt(static_cast<double>(s[1] / group * kernel * kernel));
    Attrs attrs = attrs_of({kernel, stride, 1, pad, pad}, {kernel, stride, 1, pad, pad}, group);
    attrs.emplace_back("output_padding", std::vector<int64_t>{more, more});
    const ValueId w = weights({s[1], out / group, kernel, kernel}, size, 1);
    return stored(node("ConvTranspose", {real(p), w}, attrs), {s[0], out, extent(s[2]), extent(s[3])}, most_of(p));
  }

  // Operators of numbers that have no quantized form.
  Piece weighed(const Piece& p) {
    if (quantized()) return p;
    const ValueId x = p.id;
    const Shape& s = p.shape;
    Piece result = p;
    switch (below(6)) {
      case 0: result.id = node("Softmax", {x}, {{"axis", pick({1, 3, -1})}}); break;
      case 1: result.id = node("Mul", {x, node("Sigmoid", {x})}); break;
      case 2:
        result.id = node(
            "Mul", {node("Add", {x, numbers(s, -1, 1)}), node("Sub", {node("Sigmoid", {x}), number(p.type, 0.5)})});
        break;
      case 3: result.id = node("Div", {x, numbers({1, 1, s[3]}, 0.5, 2)}); break;
      case 4: result.id = node("Max", {x, numbers({s[1], 1, 1}, -1, 1)}); break;
      default: result.id = node("Mul", {x, node("Sigmoid", {node("GlobalAveragePool", {x})})}); break;
    }
    return result;
  }

  Piece multiplied(const Piece& p) {
    const Shape& s = p.shape;
    if (quantized() && !is_bytes(p)) return stored(p.id, s, most_of(p));
    const int64_t n = pick({1, 3, 8, 16, 20});
    const double size = 1.0 / std::sqrt(static_cast<double>(s[3]));
    return stored(node("MatMul", {real(p), weights({s[3], n}, size, 1)}), {s[0], s[1], s[2], n}, most_of(p));
  }

  void step() {
    const Piece p = below(4) ? pool_.back() : pool_[static_cast<size_t>(below(static_cast<int64_t>(pool_.size())))];
    const auto make = [&]() -> Piece {
      switch (below(17)) {
        case 0: return sliced(p);
        case 1: return padded(p);
        case 2: return joined(p);
        case 3: return split(p);
        case 4: return transposed(p);
        case 5: return reshaped(p);
        case 6: return shuffled(p);
        case 7: return resized(p);
        case 8: return pooled(p);
        case 9: return activated(p);
        case 10: return paired(p);
        case 11: return multiplied(p);
        case 12: return spread(p);
        case 13: return weighed(p);
        default: return convolved(p);
      }
    };
    const Piece made = make();
    if (made.id != p.id) pool_.push_back(made);
  }

  void give(const Piece& p) {
    const bool as_real = is_bytes(p) && below(2);
    output(as_real ? real(p) : p.id);
    quanta.push_back(is_bytes(p) && !as_real ? 1 : p.scale);
  }

  void finish() {
    give(pool_.back());
    for (size_t i = 1; i + 1 < pool_.size(); ++i)
      if (below(6) == 0 && pool_[i].id != pool_.back().id) give(pool_[i]);
  }

  Numbers numbers_;
  Choices choices_;
  std::vector<Piece> pool_;
};

}  // namespace tessera::test
