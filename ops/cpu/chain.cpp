#include "ops/cpu/chain.h"

#include <algorithm>

#include "ops/cpu/layout.h"

namespace tessera::cpu {

Space::Space(const Shape& out) : rank(out.rank()) {
  for (int d = 0; d < rank; ++d) dims[d] = out[static_cast<size_t>(d)];
}

int Space::add(const Shape& shape) {
  int64_t stride = 1;
  const int shift = rank - shape.rank();
  for (int d = rank - 1; d >= 0; --d) {
    const int64_t extent = d >= shift ? shape[static_cast<size_t>(d - shift)] : 1;
    strides[operands][d] = extent == 1 ? 0 : stride;
    stride *= extent;
  }
  return operands++;
}

void Space::collapse(bool keep_last) {
  const int last = rank - 1;
  int kept = 0;
  for (int d = 0; d < rank; ++d) {
    const bool fixed = keep_last && d == last;
    if (dims[d] == 1 && !fixed) continue;
    bool merge = kept > 0 && !fixed;
    for (int o = 0; o < operands && merge; ++o) merge = strides[o][kept - 1] == strides[o][d] * dims[d];
    const int to = merge ? kept - 1 : kept;
    dims[to] = merge ? dims[to] * dims[d] : dims[d];
    for (int o = 0; o < operands; ++o) strides[o][to] = strides[o][d];
    if (!merge) ++kept;
  }
  rank = kept;
}

int64_t Space::rows() const {
  int64_t rows = 1;
  for (int d = 0; d + 1 < rank; ++d) rows *= dims[d];
  return rows;
}

int64_t Space::offset(int operand, int64_t row) const {
  int64_t offset = 0;
  for (int d = rank - 2; d >= 0; --d) {
    offset += row % dims[d] * strides[operand][d];
    row /= dims[d];
  }
  return offset;
}

Chain::Chain(const Args& args, Space* space) { append_epilogue(args, space); }

void Chain::append_epilogue(const Args& args, Space* space, size_t first) {
  const auto& epilogue = args.node().epilogue;
  for (; first < epilogue.size(); ++first) {
    const Fused& fused = epilogue[first];
    ChainStep& step = steps[count++];
    step = ChainStep(fused);
    if (space && fused.operand >= 0) step.operand = space->add(args.in[static_cast<size_t>(fused.operand)].shape());
  }
}

void apply(const MapSimd& simd, const ChainStep& step, const float* x, const float* y, Along along, float* out,
           int64_t n) {
  if (step.function < MapSimd::unary_functions) return simd.unary[step.function](x, out, n, step.a, step.b);
  const auto binary = simd.binary[step.function - MapSimd::unary_functions][static_cast<int>(along)];
  if (step.swapped)
    binary(y, x, out, n);
  else
    binary(x, y, out, n);
}

Along mirrored(Along along) {
  return along == Along::y_one ? Along::x_one : along == Along::y_lane ? Along::x_lane : along;
}

Along along(const ChainStep& step, Along operand) { return step.swapped ? mirrored(operand) : operand; }

Varies varies(const Shape& operand, const Shape& out, int axis) {
  if (operand.rank() > out.rank()) return Varies::other;
  Varies result = Varies::nothing;
  for (int i = 0; i < operand.rank(); ++i) {
    if (operand[static_cast<size_t>(i)] == 1) continue;
    const int at = out.rank() - operand.rank() + i;
    if (at != axis || operand[static_cast<size_t>(i)] != out[static_cast<size_t>(at)]) return Varies::other;
    result = Varies::axis;
  }
  return result;
}

int64_t operand_bytes(const Node& node, int64_t channels) {
  return static_cast<int64_t>(node.epilogue.size()) * round_up(channels, block_size) * int64_t{sizeof(float)};
}

const float* lanes_of(const View& operand, int64_t channels, float*& scratch) {
  float *lanes = scratch, *end = lanes + channels;
  scratch += round_up(channels, block_size);
  const auto* values = operand.as<const float>();
  if (operand.elements() == 1)
    std::fill(lanes, end, *values);
  else
    std::copy_n(values, channels, lanes);
  std::fill(end, scratch, 0.0f);
  return lanes;
}

void clear_lanes(float* values, int64_t floats, int64_t channels) {
  for (int64_t i = 0; i < floats; i += block_size) std::fill(values + i + channels, values + i + block_size, 0.0f);
}

void apply_to_row(const MapSimd& simd, const Chain& chain, const Space& space, List<View> in, int64_t row,
                  int64_t begin, float* values, int64_t n) {
  for (int s = 0; s < chain.count; ++s) {
    const ChainStep& step = chain.steps[s];
    const float* operand = nullptr;
    bool one = true;
    if (step.operand >= 0) {
      one = space.scalar_along_row(step.operand);
      operand =
          in[static_cast<size_t>(step.input)].as<const float>() + space.offset(step.operand, row) + (one ? 0 : begin);
    }
    apply(simd, step, values, operand, along(step, one ? Along::y_one : Along::both), values, n);
  }
}

void apply_as_stored(const MapSimd& simd, const Chain& chain, List<View> in, int64_t begin, float* values, int64_t n) {
  for (int s = 0; s < chain.count; ++s) {
    const ChainStep& step = chain.steps[s];
    const float* operand = step.input < 0 ? nullptr : in[static_cast<size_t>(step.input)].as<const float>() + begin;
    apply(simd, step, values, operand, Along::both, values, n);
  }
}

bool chain_fits_as_stored(const CpuKernel& kernel, const Problem& problem) {
  if (!chain_fits(kernel, problem)) return false;
  for (const Fused& fused : problem.node.epilogue) {
    if (fused.operand < 0) continue;
    const auto at = static_cast<size_t>(fused.operand);
    if (problem.constants[at] || !(problem.in[at].shape == problem.out[0].shape)) return false;
  }
  return true;
}

bool has_function(uint16_t id) {
  const MapSimd& simd = map_simd(level());
  if (id < MapSimd::unary_functions) return simd.unary[id] != nullptr;
  const int binary = id - MapSimd::unary_functions;
  return binary < MapSimd::binary_functions && simd.binary[binary][0] != nullptr;
}

bool has_function(const Fused& fused) { return fused.kind == Fused::Kind::function && has_function(fused.function); }

bool broadcasts_to(const Shape& from, const Shape& to) {
  if (from.rank() > to.rank()) return false;
  const size_t shift = to.size() - from.size();
  for (size_t d = 0; d < from.size(); ++d)
    if (from[d] != 1 && from[d] != to[d + shift]) return false;
  return true;
}

bool chain_fits(const CpuKernel&, const Problem& problem) {
  const auto& epilogue = problem.node.epilogue;
  if (epilogue.size() >= Chain::max_steps) return false;
  const Type& out = problem.out[0];
  if (out.dtype != DType::float32 || out.shape.rank() > Space::max_rank) return false;
  for (const Fused& fused : epilogue) {
    if (!has_function(fused)) return false;
    if (fused.operand < 0) continue;
    const Type& operand = problem.in[static_cast<size_t>(fused.operand)];
    if (operand.dtype != DType::float32 || !broadcasts_to(operand.shape, out.shape)) return false;
  }
  return true;
}

}  // namespace tessera::cpu
