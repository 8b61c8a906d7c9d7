// MatMul, Gemm and FusedMatMul of float32 by the packed product, with bias and epilogue applied to
// each block while it is in cache.
#include <algorithm>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/product.h"
#include "ops/cpu/simd/bf16.h"
#include "ops/elementwise.h"

namespace tessera::cpu {
namespace {

// Which operator a kernel is for.
enum Member { matmul, fused_matmul, gemm };

// The product that a node stands for: its dimensions, and the batch axes as a Space.
struct Decoded {
  Product product;
  Space space{Shape{}};
  int left = 0, right = 0;
  bool batched = false;
};

Shape batch_axes(const Shape& shape) {
  Shape out;
  for (size_t d = 0; d + 2 < shape.size(); ++d) out.push_back(shape[d]);
  return out;
}

Shape as_matrix(const Shape& shape, bool left) {
  if (shape.size() >= 2) return shape;
  return left ? Shape{1, shape[0]} : Shape{shape[0], 1};
}

// Every axis of a right matrix stack counted in matrices; of a left one in elements.
Decoded decode_matmul(const Shape& a_shape, const Shape& b_shape, bool trans_a, bool trans_b, float alpha) {
  Decoded d;
  Product& p = d.product;
  const Shape a = as_matrix(a_shape, true), b = as_matrix(b_shape, false);
  const int64_t a_rows = a[a.size() - 2], a_columns = a.back();
  const int64_t b_rows = b[b.size() - 2], b_columns = b.back();
  p.m = trans_a ? a_columns : a_rows;
  p.k = trans_a ? a_rows : a_columns;
  p.n = trans_b ? b_rows : b_columns;
  p.a_row = trans_a ? 1 : a_columns;
  p.a_depth = trans_a ? a_columns : 1;
  p.b_depth = trans_b ? 1 : b_columns;
  p.b_column = trans_b ? b_columns : 1;
  if (p.n == 1) p.b_depth = trans_b ? 1 : b_columns, p.b_column = 1;
  p.alpha = alpha;
  const Shape a_batch = batch_axes(a), b_batch = batch_axes(b);
  p.right_count = b_batch.elements();
  p.right_stride = b_rows * b_columns;
  if (p.right_count == 1 && !trans_a) {  // the rows of all left matrices are one matrix
    p.m *= a_batch.elements();
    return d;
  }
  const Shape axes = broadcast(a_batch, b_batch);
  p.batch = axes.elements();
  d.batched = true;
  Shape with_one = axes;
  with_one.push_back(1);
  d.space = Space(with_one);
  Shape left = a_batch, right = b_batch;
  left.push_back(1);
  right.push_back(1);
  d.left = d.space.add(left);
  d.right = d.space.add(right);
  for (int64_t& stride : d.space.strides[d.left]) stride *= a_rows * a_columns;
  return d;
}

Decoded decode(const CpuKernel& kernel, const AttrReader& attrs, const Shape& a, const Shape& b) {
  if (kernel.member == matmul) return decode_matmul(a, b, false, false, 1);
  return decode_matmul(a, b, attrs.integer("transA") != 0, attrs.integer("transB") != 0, attrs.real("alpha"));
}

bool all_float(const Problem& problem) {
  for (size_t i = 0; i < problem.node.op_inputs(); ++i)
    if (problem.node.in[i] != absent && problem.in[i].dtype != DType::float32) return false;
  return true;
}

bool accepts(const CpuKernel& kernel, const Problem& problem) {
  if (!all_float(problem)) return false;
  const Shape &a = problem.in[0].shape, &b = problem.in[1].shape, &out = problem.out[0].shape;
  if (kernel.member == gemm)
    return a.size() == 2 && b.size() == 2 && (!has_input(problem, 2) || broadcasts_to(problem.in[2].shape, out));
  if (out.rank() >= Space::max_rank || a.empty() || b.empty()) return false;
  if (kernel.member == matmul) return true;
  const AttrReader attrs(problem.node);
  return a.size() >= 2 && b.size() >= 2 && !attrs.integer("transBatchA") && !attrs.integer("transBatchB");
}

bool will_be_packed(const Problem& problem, const Product& p) { return problem.constants[1] && p.n > 1 && p.k > 0; }

// Products of rounded numbers want a constant right matrix of more than one column and rows on the left.
bool accepts_cells(const CpuKernel& kernel, const Problem& problem) {
  if (!bf16_simd(level()) || !accepts(kernel, problem)) return false;
  const Product p = decode(kernel, AttrReader(problem.node), problem.in[0].shape, problem.in[1].shape).product;
  return will_be_packed(problem, p) && p.a_depth == 1 && p.alpha == 1;
}

// The last axis of the output must be the product's columns.
bool accepts_epilogue(const CpuKernel& kernel, const Problem& problem) {
  return chain_fits(kernel, problem) && problem.in[1].shape.size() >= 2;
}

// A single column is left to dot products, which read it where it lies.
std::shared_ptr<const Packed> pack(const CpuKernel& kernel, const Problem& problem) {
  const Tensor* b = problem.constants[1];
  if (!b) return nullptr;
  const AttrReader attrs(problem.node);
  Product p = decode(kernel, attrs, Shape{1, 1}, b->type.shape).product;
  const Shape shape = as_matrix(b->type.shape, false);
  const bool trans_b = kernel.member != matmul && attrs.integer("transB");
  p.k = trans_b ? shape.back() : shape[shape.size() - 2];
  if (p.n == 1 || p.n == 0 || p.k == 0) return nullptr;
  p.precision = kernel.precision;
  auto packed = std::make_shared<Packed>();
  packed->tensors.push_back(Tensor::make_packed({DType::float32, Shape{packed_floats(p)}}));
  pack_right(p, b->as<const float>(), packed->tensors[0].as<float>(), nullptr);
  return packed;
}

int64_t scratch(const CpuKernel& kernel, const Problem& problem, int threads) {
  Decoded d = decode(kernel, AttrReader(problem.node), problem.in[0].shape, problem.in[1].shape);
  d.product.precision = kernel.precision;
  return product_scratch(d.product, will_be_packed(problem, d.product), threads);
}

void run(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept {
  const View& out = args.out[0];
  if (out.elements() == 0) return;
  Decoded d = decode(kernel, args, args.in[0].shape(), args.in[1].shape());
  d.product.precision = kernel.precision;
  const Product& p = d.product;
  const MapSimd& map = map_simd(level());

  const float beta = kernel.member == gemm ? args.real("beta") : 0;
  const View* addend = beta != 0 && args.node().op_inputs() > 2 && args.has_in(2) ? &args.in[2] : nullptr;
  // One number for each column begins the sums.
  const auto is_bias = [&](const View& operand) {
    return operand.elements() == p.n && !operand.shape().empty() && operand.shape().back() == p.n;
  };
  const float* bias = nullptr;
  size_t first = 0;
  if (addend && beta == 1 && is_bias(*addend)) {
    bias = addend->as<const float>();
    addend = nullptr;
  } else if (!addend && !args.node().epilogue.empty() && args.node().epilogue[0].is(elementwise::Add)) {
    const View& operand = args.in[static_cast<size_t>(args.node().epilogue[0].operand)];
    if (is_bias(operand)) bias = operand.as<const float>(), first = 1;
  }

  Space space(out.shape());
  const int addend_operand = addend ? space.add(addend->shape()) : 0;
  Chain chain;
  chain.append_epilogue(args, &space, first);
  Space joined = space;
  joined.collapse(false);
  space.collapse(true);
  Pieces pieces = chain.count ? Pieces::of_rows : Pieces::none;
  if (addend)
    pieces = Pieces::of_rows;
  else if (chain.count && joined.rank <= 1)
    pieces = Pieces::joined;

  const auto finish = [&](int64_t row, int64_t column, float* values, int64_t n) {
    if (pieces == Pieces::joined) return apply_to_row(map, chain, joined, args.in, 0, row * p.n + column, values, n);
    if (addend) {
      const bool one = space.scalar_along_row(addend_operand);
      const float* c = addend->as<const float>() + space.offset(addend_operand, row) + (one ? 0 : column);
      map.add_scaled(c, one, beta, values, n);
    }
    apply_to_row(map, chain, space, args.in, row, column, values, n);
  };
  ProductData data{.a = args.in[0].as<const float>(),
                   .b = args.in[1].as<const float>(),
                   .packed = args.packed ? args.packed->tensors[0].as<const float>() : nullptr,
                   .bias = bias,
                   .out = out.as<float>(),
                   .scratch = args.scratch};
  const BatchOffsets offsets{d.batched ? &d.space : nullptr, d.left, d.right};
  multiply(p, data, offsets, threads, pieces, finish);
}

constexpr CpuKernel product(Text op, Member member, Text name) {
  CpuKernel kernel{.op = op, .name = name, .member = member};
  if (member == fused_matmul) kernel.domain = "com.microsoft";
  kernel.accepts = accepts;
  kernel.accepts_epilogue = accepts_epilogue;
  kernel.pack = pack;
  kernel.scratch = scratch;
  kernel.run = run;
  return kernel;
}

// A split pays with AMX only; without, it is there to be tested.
constexpr CpuKernel cells(Text op, Member member, Precision precision, Text name) {
  CpuKernel kernel = product(op, member, name);
  kernel.accepts = accepts_cells;
  kernel.precision = precision;
  kernel.rank = precision == Precision::bf16 ? 2 : 0;
  kernel.rank_by_tiles = 2;
  return kernel;
}

constexpr CpuKernel kernels[] = {
    product("MatMul", matmul, "matmul"),
    product("FusedMatMul", fused_matmul, "fused_matmul"),
    product("Gemm", gemm, "gemm"),
    cells("MatMul", matmul, Precision::bf16, "matmul bf16"),
    cells("FusedMatMul", fused_matmul, Precision::bf16, "fused_matmul bf16"),
    cells("Gemm", gemm, Precision::bf16, "gemm bf16"),
    cells("MatMul", matmul, Precision::bf16x3, "matmul bf16x3"),
    cells("FusedMatMul", fused_matmul, Precision::bf16x3, "fused_matmul bf16x3"),
    cells("Gemm", gemm, Precision::bf16x3, "gemm bf16x3"),
};

}  // namespace

extern const KernelFile matmul_kernels;
const KernelFile matmul_kernels{kernels};

}  // namespace tessera::cpu
