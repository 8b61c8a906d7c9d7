// MatMulNBits and MatMulBnb4: weights stay as small as they are, see shaders/product_bits.comp.
#include "ops/bnb4.h"
#include "ops/elementwise.h"
#include "ops/vulkan/epilogue.h"
#include "ops/vulkan/tiles.h"

namespace tessera::vulkan {

#include "shaders/params/join.h"
#include "shaders/params/product_bits.h"

namespace {

enum In { a_in, weights_in, scales_in, zeros_in, order_in, bias_in };

constexpr int64_t least_part = 128;  // terms of a part

struct Bits {
  int64_t k, n, bits, block, column, blocks, zero_row;
  uint32_t zeros;

  Bits(const VkKernel& kernel, const Problem& problem) {
    const AttrReader attrs(problem.node);
    k = attrs.integer("K"), n = attrs.integer("N"), block = attrs.integer("block_size");
    const bool names = kernel.functions[0] == names_numbers;
    bits = names ? 4 : attrs.integer("bits");
    blocks = ceil_div(k, block);
    column = names ? k : blocks * block;
    zero_row = round_up(blocks, 8 / bits);
    const bool given = !names && is_given(problem, zeros_in);
    zeros = names                                        ? names_numbers
            : !given                                     ? zeros_in_middle
            : problem.in[zeros_in].dtype == DType::uint8 ? zeros_packed
                                                         : zeros_real;
  }
};

std::vector<Fused> functions_of(const Problem& problem) {
  std::vector<Fused> functions;
  if (is_given(problem, bias_in)) functions.push_back({.function = elementwise::Add, .operand = bias_in});
  functions.insert(functions.end(), problem.node.epilogue.begin(), problem.node.epilogue.end());
  return functions;
}

bool accepts(const VkKernel& kernel, const Problem& problem) {
  const bool names = kernel.functions[0] == names_numbers;
  if (is_given(problem, order_in) || (names && !AttrReader(problem.node).integer("transB"))) return false;
  if (!is_float_input(problem, a_in) || !is_float_input(problem, scales_in)) return false;
  if (is_given(problem, bias_in) && !is_float_input(problem, bias_in)) return false;
  const Bits b(kernel, problem);
  return (b.zeros != zeros_real || is_float_input(problem, zeros_in)) && b.column * b.n < int64_t{1} << 32 &&
         epilogue_fits(problem, functions_of(problem), shape_before_epilogue(problem));
}

void record(const VkKernel& kernel, const Problem& problem, Recorder& recorder) {
  const Bits b(kernel, problem);
  const Shape before = shape_before_epilogue(problem);
  const int64_t m = before.elements() / b.n;
  const Tiles tiles = choose_tiles(m, b.n, 1, b.k, recorder);
  const int64_t groups = ceil_div(m, tiles.m) * ceil_div(b.n, tiles.n);
  const int64_t parts = std::max<int64_t>(1, std::min(enough_workgroups / groups, b.k / least_part));
  ProductBitsParams params{};
  params.m = word(m), params.n = word(b.n), params.k = word(b.k);
  params.column = word(b.column), params.blocks = word(b.blocks), params.zero_row = word(b.zero_row);
  params.part = word(round_up(ceil_div(b.k, parts), tile_k));
  params.parts = groups_of(params.k, params.part);
  const Slot sums = recorder.scratch(int64_t{4} * params.parts * m * b.n);
  Dispatch& dispatch = recorder.dispatch("product_bits", params);
  set_tiles(tiles, dispatch);
  dispatch.set("bits", word(b.bits));
  dispatch.set("block", word(b.block));
  dispatch.set("zeros", b.zeros);
  dispatch.bind("a", recorder.in(a_in));
  dispatch.bind("weights", recorder.in(weights_in));
  dispatch.bind("scales", recorder.in(scales_in));
  if (b.zeros == zeros_packed) dispatch.bind("packed_zeros", recorder.in(zeros_in));
  if (b.zeros == zeros_real) dispatch.bind("real_zeros", recorder.in(zeros_in));
  if (b.zeros == names_numbers) {
    const auto& numbers = ops::bnb4_numbers[AttrReader(problem.node).integer("quant_type")];
    dispatch.bind("table", recorder.table(std::vector<float>(std::begin(numbers), std::end(numbers))));
  }
  dispatch.bind("all_sums", sums);
  spread(word(groups), dispatch);
  dispatch.groups[1] = params.parts;

  const std::vector<Fused> functions = functions_of(problem);
  const Loop loop = before.size() > 4 ? Loop{{1, 1, 1, word(before.elements())}, true} : loop_over(before);
  JoinParams joined{};
  joined.epilogue = epilogue_params(problem, functions, loop);
  assign(joined.extents, loop.extent);
  joined.count = word(m * b.n);
  joined.parts = params.parts;
  Dispatch& join = recorder.dispatch("join", joined);
  add_epilogue(functions, recorder, join);
  join.bind("all_sums", sums);
  cover(joined.count, join);
}

constexpr VkKernel list[] = {
    {"MatMulNBits", "com.microsoft", "product.bits", {"product_bits", "join"}, accepts, record},
    {"MatMulBnb4", "com.microsoft", "product.bits4", {"product_bits", "join"}, accepts, record, {names_numbers}},
};

}  // namespace

extern const KernelFile product_bits_kernels;
const KernelFile product_bits_kernels{list};

}  // namespace tessera::vulkan
