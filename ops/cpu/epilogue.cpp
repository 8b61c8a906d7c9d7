#include "ops/cpu/epilogue.h"

#include <algorithm>
#include <limits>

#include "ops/cpu/chain.h"
#include "ops/elementwise.h"
#include "runtime/base/rounding.h"

namespace tessera::cpu {
// Which kind of operand this is for an output of that shape; `none` if it is not taken.
Epilogue::From Epilogue::operand_kind(const Type& operand, bool constant, const Shape& out) {
  if (operand.dtype != DType::float32) return From::none;
  const Varies in = constant ? varies(operand.shape, out, 1) : Varies::other;
  if (in != Varies::other) return in == Varies::nothing ? From::number : From::channel;
  return operand.shape == out ? From::tensor : From::none;
}

bool Epilogue::fits(const Problem& problem, Layout out) {
  const auto& epilogue = problem.node.epilogue;
  if (epilogue.size() > max_steps || problem.out[0].dtype != DType::float32) return false;
  Shape shape = problem.out[0].shape;
  if (shape.rank() < 3) return false;
  // Until a DepthToSpace, shapes are those before it.
  bool shuffled = false;
  for (const Fused& fused : epilogue) {
    if (!fused.shuffles()) continue;
    const auto block = static_cast<int64_t>(fused.a);
    if (shuffled || shape.rank() != 4 || block < 1 || (out != Layout::row_major && shape[1] % block_size != 0))
      return false;
    shuffled = true;
    shape[1] *= block * block;
    shape[2] /= block;
    shape[3] /= block;
  }
  bool before_shuffle = shuffled;
  for (const Fused& fused : epilogue) {
    if (fused.shuffles()) {
      shape = problem.out[0].shape;
      before_shuffle = false;
      continue;
    }
    if (!has_function(fused)) return false;
    if (fused.operand < 0) continue;
    const auto index = static_cast<size_t>(fused.operand);
    const bool constant = problem.constants[index] != nullptr;
    const From from = operand_kind(problem.in[index], constant, shape);
    if (from == From::none || (shuffled && out != Layout::row_major && from != From::number)) return false;
    if (from == From::tensor && (before_shuffle || (constant && out != Layout::row_major))) return false;
  }
  return true;
}

int Epilogue::shuffle_of(const Node& node) {
  for (const Fused& fused : node.epilogue)
    if (fused.shuffles()) return static_cast<int>(fused.a);
  return 1;
}

void Epilogue::start(const Args& args, Layout out, int64_t channels, bool blocks, float* scratch) {
  bool rows = !blocks;
  Shape shape = args.out[0].shape();
  if (out == nchw16c) plane_ = args.out[0].plane();
  const auto& epilogue = args.node().epilogue;
  const auto shuffle = std::find_if(epilogue.begin(), epilogue.end(), [](const Fused& f) { return f.shuffles(); });
  if (shuffle != epilogue.end()) {
    shuffle_ = static_cast<int>(shuffle->a);
    crd_ = shuffle->b != 0;
    shape[1] = channels;
    shape[2] /= shuffle_;
    shape[3] /= shuffle_;
  }
  for (const Fused& fused : epilogue) {
    if (fused.shuffles()) {
      shape = args.out[0].shape();
      rows = out == Layout::row_major;
      continue;
    }
    Step step{ChainStep(fused)};
    if (fused.operand >= 0) {
      const View& operand = args.in[static_cast<size_t>(fused.operand)];
      // A tensor of the output's shape is told from a vector by its extent alone: where both fit,
      // the picture is one pixel and a blocked tensor has its padding already.
      step.from = operand_kind(operand.type, operand.type.layout == Layout::row_major, shape);
      step.data = operand.as<const float>();
      if (step.from == From::tensor && out == Layout::row_major) rows = true;
      if (step.from == From::tensor && !rows) step.plane = operand.plane();
      if (step.from == From::channel && !rows) step.data = lanes_of(operand, channels, scratch);
    }
    steps_[count_++] = step;
    if (!rows) blocked_ = count_;
  }
  if (out == nchw16c) find_padding(map_simd(level()), channels);
}

// Lanes behind the last channel hold zeros; finds out whether the steps would change that.
void Epilogue::find_padding(const MapSimd& simd, int64_t channels) {
  if (channels % block_size == 0) return;
  float zeros[block_size] = {}, values[block_size] = {};
  for (int i = 0; i < blocked_; ++i) {
    const Step& step = steps_[i];
    apply(simd, step, values, step.from == From::number ? step.data : zeros, true, block_size);
  }
  if (values[block_size - 1] == 0.0f) return;
  last_block_ = channels / block_size;
  padding_from_ = static_cast<int>(channels % block_size);
}

void Epilogue::apply(const MapSimd& simd, const Step& step, float* values, const float* data, bool lanes, int64_t n) {
  const Along operand = step.from == From::none || step.from == From::tensor ? Along::both
                        : step.from == From::channel && lanes                ? Along::y_lane
                                                                             : Along::y_one;
  cpu::apply(simd, step, values, data, along(step, operand), values, n);
}

bool Epilogue::ends(ConvEnd& result) const {
  using namespace elementwise;
  result = {};
  ConvEnd end;
  if (last_block_ >= 0) return false;
  int i = 0;
  if (i < blocked_ && steps_[i].function == Add && steps_[i].from == From::tensor) {
    end.add_block = steps_[i].plane;
    end.add = steps_[i++].data;
  }
  if (i == blocked_) {
    result = end;
    return true;
  }
  const Step& step = steps_[i++];
  if (i != blocked_ || step.swapped) return false;
  if (step.function == Relu) {
    end.kind = ConvEnd::Kind::clamp;
    end.high = std::numeric_limits<float>::infinity();
  } else if (step.function == Clip) {
    end.kind = ConvEnd::Kind::clamp;
    end.low = step.b < step.a ? step.b : step.a;
    end.high = step.b;
  } else if (step.function == LeakyRelu) {
    end.kind = ConvEnd::Kind::slope;
    end.low = step.a;
  } else if (step.function == PRelu && step.from == From::number) {
    end.kind = ConvEnd::Kind::slope;
    end.low = *step.data;
  } else if (step.function == PRelu && step.from == From::channel) {
    end.kind = ConvEnd::Kind::slopes;
    end.slopes = step.data;
  } else {
    return false;
  }
  result = end;
  return true;
}

void Epilogue::apply_blocked(const MapSimd& simd, float* values, int64_t pixels, int64_t block, int64_t offset) const {
  for (int i = 0; i < blocked_; ++i) {
    const Step& step = steps_[i];
    const float* data = step.from == From::channel  ? step.data + block * block_size
                        : step.from == From::tensor ? step.data + offset + block * (step.plane - plane_)
                                                    : step.data;
    apply(simd, step, values, data, true, pixels * block_size);
  }
  if (block != last_block_) return;
  clear_lanes(values, pixels * block_size, padding_from_);
}

void Epilogue::apply_row(const MapSimd& simd, float* values, int64_t n, int64_t channel, int64_t offset) const {
  for (int i = blocked_; i < count_; ++i) {
    const Step& step = steps_[i];
    const float* data = step.from == From::channel  ? step.data + channel
                        : step.from == From::tensor ? step.data + offset
                                                    : step.data;
    apply(simd, step, values, data, false, n);
  }
}

}  // namespace tessera::cpu
