#include "ops/vulkan/finish8.h"

#include <cstring>

#include "ops/elementwise.h"

namespace tessera::vulkan {
namespace {

// A value for each output channel, or one for all.
Tensor pack_channels(const Tensor& constant, int64_t code) {
  const ChannelOrder order(code);
  const auto count = constant.type.shape.elements();
  std::vector<float> values(static_cast<size_t>(count));
  std::memcpy(values.data(), constant.bytes.get(), values.size() * sizeof(float));
  Tensor packed = Tensor::make_packed({DType::float32, {order.padded}});
  auto* to = packed.as<float>();
  for (int64_t n = 0; n < order.padded; ++n) {
    const int64_t channel = order.shuffled ? n / order.cells : order.source(n, count);
    const bool there = order.shuffled ? channel < count : n < count;
    to[n] = count == 1 ? values[0] : there ? values[static_cast<size_t>(channel)] : 0.0f;
  }
  return packed;
}

// One value for each channel of `shape`, or one for all.
bool is_by_channel(const Shape& operand, const Shape& shape) {
  const int64_t elements = operand.elements();
  return elements == 1 || (elements == shape[1] && operand.size() >= 3 && operand[operand.size() - 3] == shape[1]);
}

// One value for each element of a row, or one for all.
bool is_by_column(const Shape& operand, int64_t columns) {
  const int64_t elements = operand.elements();
  return elements == 1 || (elements == columns && operand.back() == columns);
}

}  // namespace

const Fused* shuffle_of(List<Fused> functions) {
  for (const Fused& fused : functions)
    if (fused.shuffles()) return &fused;
  return nullptr;
}

uint32_t common_width(std::initializer_list<int64_t> extents) {
  int64_t all = 8;
  for (const int64_t extent : extents) all |= extent;
  return static_cast<uint32_t>(all & -all);
}

bool finishes_pictures(const Problem& problem, List<Fused> functions, const Shape& before) {
  if (!epilogue_fits(problem, functions, before)) return false;
  const bool shuffles = shuffle_of(functions);
  Shape shape = before;
  bool shuffled = false;
  for (const Fused& fused : functions) {
    if (fused.shuffles()) {
      if (static_cast<int64_t>(fused.a) % 2) return false;
      shape = problem.out[0].shape;
      shuffled = true;
    } else if (fused.operand >= 0) {
      const auto operand = static_cast<size_t>(fused.operand);
      const bool constant = problem.constants[operand];
      if (constant ? !is_by_channel(problem.in[operand].shape, shape)
                   : shuffles != shuffled || problem.in[operand].shape != shape)
        return false;
    }
  }
  return true;
}

bool finishes_rows(const Problem& problem, List<Fused> functions, const Shape& before) {
  return !shuffle_of(functions) && epilogue_fits(problem, functions, before);
}

Finish::Finish(const Problem& problem, List<Fused> functions)
    : problem_(&problem), functions_(functions.begin(), functions.end()) {}

Finish Finish::of_pictures(const Problem& problem, size_t bias) {
  Finish finish(problem, problem.node.epilogue);
  finish.bias_ = is_given(problem, bias) ? bias : 0;
  if (const Fused* fused = shuffle_of(finish.functions_)) {
    finish.order.cells = static_cast<int64_t>(fused->a * fused->a);
    finish.order.depth_first = fused->b == 0;
  }
  for (size_t i = 0; i < finish.functions_.size(); ++i)
    if (finish.functions_[i].operand >= 0 && finish.is_constant(finish.functions_[i])) {
      finish.by_channel_ |= 1u << i;
      ++finish.channel_rows;
    }
  const Shape before = shape_before_epilogue(problem);
  finish.params.epilogue = epilogue_params(problem, finish.functions_, loop_over(before));
  finish.params.out_blocks = groups_of(word(before[1]), block_size);
  finish.params.out_h = word(before[2]), finish.params.out_w = word(before[3]);
  finish.params.out_c = word(before[1]);
  return finish;
}

Finish Finish::of_rows(const Problem& problem, List<Fused> functions, const Loop& loop, int64_t rows, int64_t columns) {
  Finish finish(problem, functions);
  finish.rows_ = true;
  for (size_t i = 0; i < functions.size(); ++i) {
    const Fused& fused = functions[i];
    if (fused.operand < 0 || !finish.is_constant(fused)) continue;
    if (!is_by_column(problem.in[static_cast<size_t>(fused.operand)].shape, columns)) continue;
    finish.by_channel_ |= 1u << i;
    ++finish.channel_rows;
  }
  finish.params.epilogue = epilogue_params(problem, functions, loop);
  assign(finish.params.extents, loop.extent);
  finish.params.out_h = 1;
  finish.params.out_w = word(rows);
  finish.params.out_c = word(columns);
  return finish;
}

void Finish::add(const Recorder& recorder, Dispatch& dispatch) const {
  uint32_t swapped = 0, broadcast = 0;
  bool shuffled = false;
  for (size_t i = 0; i < functions_.size(); ++i) {
    const Fused& fused = functions_[i];
    dispatch.set(cat("function_", i), fused.shuffles() ? depth_to_space : fused.function);
    if (fused.shuffles()) {
      shuffled = true;
      dispatch.set("shuffle_block", static_cast<uint32_t>(fused.a));
      dispatch.set("shuffle_function", static_cast<uint32_t>(i));
    } else if (fused.operand >= 0) {
      const auto operand = static_cast<size_t>(fused.operand);
      const std::string buffer = cat("operand_", i);
      if (fused.swapped) swapped |= 1u << i;
      if (by_channel_ >> i & 1) {
        ChannelOrder packed = order;
        packed.shuffled = shuffled;
        dispatch.bind(buffer, recorder.constant(operand, pack_channels, packed.code()));
      } else {
        if (rows_ && problem_->in[operand].shape != problem_->out[0].shape) broadcast |= 1u << i;
        dispatch.bind(buffer, halves_of(operand, *problem_, recorder));
      }
    }
  }
  dispatch.set("swapped", swapped);
  dispatch.set("by_channel", by_channel_);
  dispatch.set("broadcast", broadcast);
  dispatch.set("channel_rows", channel_rows);
  dispatch.set("has_bias", bias_ != 0);
  if (bias_) dispatch.bind("bias", recorder.constant(bias_, pack_channels, order.code()));
  if (rows_)
    dispatch.set("row_width", common_width({params.out_c}));
  else
    dispatch.set("odd_channels", params.out_c % block_size != 0);
  dispatch.bind("dst", recorder.out(0));
}

}  // namespace tessera::vulkan
