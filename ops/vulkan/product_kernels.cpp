// MatMul, Gemm and their kin; see shaders/product.comp.
#include "ops/vulkan/product.h"

#include "ops/elementwise.h"
#include "ops/matrix.h"
#include "ops/vulkan/finish8.h"
#include "ops/vulkan/tiles.h"

namespace tessera::vulkan {

#include "shaders/params/join.h"
#include "shaders/params/product.h"

namespace {

constexpr int64_t least_part = 128;  // terms of a part

void copy(const std::array<int64_t, 3>& from, uint32_t (&to)[3]) {
  for (size_t i = 0; i < 3; ++i) to[i] = static_cast<uint32_t>(from[i]);
}

ProductParams params_of(const Products& p) {
  ProductParams params{};
  params.m = word(p.m), params.n = word(p.n), params.k = word(p.k);
  copy(p.batch, params.batch), copy(p.a.batch, params.a_batch), copy(p.b.batch, params.b_batch);
  params.a_row = word(p.a.row), params.a_column = word(p.a.column);
  params.b_row = word(p.b.row), params.b_column = word(p.b.column);
  params.parts = 1, params.part = params.k;
  return params;
}

int64_t tiles_of(const Products& p, const Tiles& tiles) {
  return p.count() * ceil_div(p.m, tiles.m) * ceil_div(p.n, tiles.n);
}

Dispatch& record(const ProductParams& params, const Products& p, const Tiles& tiles, const Slot& a, const Slot& b,
                 Recorder& recorder) {
  Dispatch& dispatch = recorder.dispatch("product", params);
  set_tiles(tiles, dispatch);
  dispatch.set("a_along_k", p.a.column == 1);
  dispatch.set("b_along_k", p.b.column != 1);
  dispatch.bind("a", a);
  dispatch.bind("b", b);
  spread(static_cast<uint32_t>(tiles_of(p, tiles)), dispatch);
  dispatch.groups[1] = params.parts;
  return dispatch;
}

}  // namespace

void record_products(const Products& p, const Slot& a, const Slot& b, const Slot& sums, Recorder& recorder) {
  Dispatch& dispatch = record(params_of(p), p, choose_tiles(p.m, p.n, p.count(), p.k, recorder), a, b, recorder);
  dispatch.set("to_sums", 1);
  dispatch.bind("all_sums", sums);
}

void record_products(const Products& p, const Slot& a, const Slot& b, const Problem& problem, List<Fused> functions,
                     const Loop& loop, Recorder& recorder) {
  const Tiles tiles = choose_tiles(p.m, p.n, p.count(), p.k, recorder);
  const EpilogueParams epilogue = epilogue_params(problem, functions, loop);
  ProductParams params = params_of(p);
  assign(params.extents, loop.extent);
  const int64_t parts = std::min(enough_workgroups / tiles_of(p, tiles), p.k / least_part);
  if (parts <= 1) {
    params.epilogue = epilogue;
    add_epilogue(functions, recorder, record(params, p, tiles, a, b, recorder));
    return;
  }
  params.part = static_cast<uint32_t>(round_up(ceil_div(p.k, parts), tile_k));
  params.parts = groups_of(params.k, params.part);
  const Slot sums = recorder.scratch(int64_t{4} * params.parts * p.results());
  Dispatch& dispatch = record(params, p, tiles, a, b, recorder);
  dispatch.set("to_sums", 1);
  dispatch.bind("all_sums", sums);

  JoinParams joined{};
  joined.epilogue = epilogue;
  assign(joined.extents, loop.extent);
  joined.count = static_cast<uint32_t>(p.results());
  joined.parts = params.parts;
  Dispatch& join = recorder.dispatch("join", joined);
  add_epilogue(functions, recorder, join);
  join.bind("all_sums", sums);
  cover(joined.count, join);
}

namespace {

// --- MatMul and FusedMatMul ----------------------------------------------------------------------

// The matrix that the last two axes of a shape are, or a vector is, and what lies before them.
struct Side {
  MatrixView view;
  Shape matrix;  // with its leading axes, as ops::Product takes it

  Side(const Shape& shape, bool transposed) : matrix(shape) {
    view.row = shape.size() > 1 ? shape.back() : 0;
    if (shape.size() < 2 || !transposed) return;
    std::swap(matrix[matrix.size() - 2], matrix[matrix.size() - 1]);
    std::swap(view.row, view.column);
  }
};

// The axes of a batch that are walked alike count as one; empty if more than three are left.
struct Batch {
  std::vector<int64_t> extent, a, b;
  void add(int64_t count, int64_t step_a, int64_t step_b) {
    if (count == 1) return;
    if (!extent.empty() && a.back() == step_a * count && b.back() == step_b * count) {
      extent.back() *= count, a.back() = step_a, b.back() = step_b;
      return;
    }
    extent.push_back(count), a.push_back(step_a), b.push_back(step_b);
  }
};

}  // namespace

std::optional<Products> products_of(const Shape& a_shape, bool turn_a, const Shape& b_shape, bool turn_b) {
  const Side a(a_shape, turn_a), b(b_shape, turn_b);
  const ops::Product product(a.matrix, b.matrix);
  Products p{product.m, product.n, product.k, {1, 1, 1}, a.view, b.view};
  if (b_shape.size() == 1) p.b.row = 1, p.b.column = 0;
  Batch batch;
  for (size_t i = 0; i < product.batch.size(); ++i)
    batch.add(product.batch[i], product.a_steps[i] * p.m * p.k, product.b_steps[i] * p.k * p.n);
  // Matrices that are all multiplied by the same one are a single taller one.
  if (batch.extent.size() == 1 && batch.b[0] == 0 && p.a.column == 1 && batch.a[0] == p.m * p.k) {
    p.m *= batch.extent[0];
    batch = {};
  }
  if (batch.extent.size() > 3) return std::nullopt;
  for (size_t i = 0, to = 3 - batch.extent.size(); i < batch.extent.size(); ++i, ++to)
    p.batch[to] = batch.extent[i], p.a.batch[to] = batch.a[i], p.b.batch[to] = batch.b[i];
  return p;
}

namespace {

template <bool fused>
std::optional<Products> products_of(const Problem& problem) {
  const AttrReader attrs(problem.node);
  if (fused && (attrs.integer("transBatchA") || attrs.integer("transBatchB"))) return std::nullopt;
  return vulkan::products_of(problem.in[0].shape, fused && attrs.integer("transA"), problem.in[1].shape,
                             fused && attrs.integer("transB"));
}

Fused scale(float factor) { return {.function = elementwise::Affine, .a = factor}; }

void append_epilogue(const Problem& problem, std::vector<Fused>& functions) {
  functions.insert(functions.end(), problem.node.epilogue.begin(), problem.node.epilogue.end());
}

template <bool fused>
std::vector<Fused> functions_of(const Problem& problem) {
  std::vector<Fused> functions;
  if (fused)
    if (const float alpha = AttrReader(problem.node).real("alpha"); alpha != 1) functions.push_back(scale(alpha));
  append_epilogue(problem, functions);
  return functions;
}

Loop loop_of(const Shape& result) {
  if (result.size() <= 4) return loop_over(result);
  return {{1, 1, 1, static_cast<uint32_t>(result.elements())}, true};
}

bool are_float(const Problem& problem) { return is_float_input(problem, 0) && is_float_input(problem, 1); }

template <bool fused>
bool accepts_product(const VkKernel&, const Problem& problem) {
  return are_float(problem) && epilogue_fits(problem, functions_of<fused>(problem), shape_before_epilogue(problem)) &&
         products_of<fused>(problem);
}

template <bool fused>
void record_product(const VkKernel&, const Problem& problem, Recorder& recorder) {
  record_products(*products_of<fused>(problem), recorder.in(0), recorder.in(1), problem, functions_of<fused>(problem),
                  loop_of(shape_before_epilogue(problem)), recorder);
}

template <bool fused>
bool accepts_matrices(const VkKernel& kernel, const Problem& problem) {
  return accepts_product<fused>(kernel, problem) && matrix_products_fit(*products_of<fused>(problem)) &&
         finishes_rows(problem, functions_of<fused>(problem), shape_before_epilogue(problem));
}

template <bool fused>
void record_matrices(const VkKernel&, const Problem& problem, Recorder& recorder) {
  record_matrix_products(*products_of<fused>(problem), problem, functions_of<fused>(problem),
                         loop_of(shape_before_epilogue(problem)), recorder);
}

// --- Gemm ----------------------------------------------------------------------------------------

// alpha a b + beta c as beta (alpha / beta a b + c).
std::vector<Fused> gemm_functions(const Problem& problem) {
  const AttrReader attrs(problem.node);
  const float alpha = attrs.real("alpha"), beta = is_given(problem, 2) ? attrs.real("beta") : 1;
  std::vector<Fused> functions;
  if (alpha != beta) functions.push_back(scale(alpha / beta));
  if (is_given(problem, 2)) functions.push_back({.function = elementwise::Add, .operand = 2});
  if (beta != 1) functions.push_back(scale(beta));
  append_epilogue(problem, functions);
  return functions;
}

bool accepts_gemm(const VkKernel&, const Problem& problem) {
  return are_float(problem) && !(is_given(problem, 2) && AttrReader(problem.node).real("beta") == 0) &&
         epilogue_fits(problem, gemm_functions(problem), shape_before_epilogue(problem));
}

Products gemm_products(const Problem& problem) {
  const AttrReader attrs(problem.node);
  const auto view = [&](size_t i, bool transposed) {
    const int64_t columns = problem.in[i].shape[1];
    return transposed ? MatrixView{1, columns} : MatrixView{columns, 1};
  };
  const bool turn_a = attrs.integer("transA") != 0, turn_b = attrs.integer("transB") != 0;
  Products p;
  p.m = problem.in[0].shape[turn_a], p.k = problem.in[0].shape[!turn_a], p.n = problem.in[1].shape[!turn_b];
  p.a = view(0, turn_a), p.b = view(1, turn_b);
  return p;
}

void record_gemm(const VkKernel&, const Problem& problem, Recorder& recorder) {
  record_products(gemm_products(problem), recorder.in(0), recorder.in(1), problem, gemm_functions(problem),
                  loop_over(shape_before_epilogue(problem)), recorder);
}

bool accepts_gemm_matrices(const VkKernel& kernel, const Problem& problem) {
  return accepts_gemm(kernel, problem) &&
         finishes_rows(problem, gemm_functions(problem), shape_before_epilogue(problem));
}

void record_gemm_matrices(const VkKernel&, const Problem& problem, Recorder& recorder) {
  record_matrix_products(gemm_products(problem), problem, gemm_functions(problem),
                         loop_over(shape_before_epilogue(problem)), recorder);
}

constexpr int by_matrices = 2;  // a rank

template <bool fused>
constexpr VkKernel product_kernel(Text op, Text domain = "") {
  return {op, domain, "product", {"product", "join"}, accepts_product<fused>, record_product<fused>};
}
template <bool fused>
constexpr VkKernel matrix_kernel(Text op, Text domain = "") {
  return {
      op, domain,  "product.matrix", {"product_matrix", "join_matrix"}, accepts_matrices<fused>, record_matrices<fused>,
      {}, in_half, by_matrices};
}
constexpr VkKernel list[] = {
    product_kernel<false>("MatMul"),
    product_kernel<true>("FusedMatMul", "com.microsoft"),
    product_kernel<true>("TransposeMatMul", "com.microsoft"),
    {"Gemm", "", "gemm", {"product", "join"}, accepts_gemm, record_gemm},
    matrix_kernel<false>("MatMul"),
    matrix_kernel<true>("FusedMatMul", "com.microsoft"),
    matrix_kernel<true>("TransposeMatMul", "com.microsoft"),
    {"Gemm",
     "",
     "gemm.matrix",
     {"product_matrix", "join_matrix"},
     accepts_gemm_matrices,
     record_gemm_matrices,
     {},
     in_half,
     by_matrices},
};

}  // namespace

extern const KernelFile product_kernels;
const KernelFile product_kernels{list};

}  // namespace tessera::vulkan
