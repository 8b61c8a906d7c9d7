// A table of kernels by operator, and every operator's reference.
#include "ops/cpu/backend.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "ops/cpu/kernel.h"
#include "ops/cpu/layout.h"
#include "ops/cpu/level.h"
#include "ops/elementwise.h"

namespace tessera::cpu {

extern const KernelFile* const kernel_files[];
extern const int kernel_file_count;

namespace {

constexpr Text reference_name = "reference";

// What depth_to_space does to a tensor [N,C,H,W]; crd: in its mode CRD, else DCR.
void depth_to_space(const View& in, const View& out, int64_t block, bool crd) {
  const Shape& from = in.shape();
  const int64_t channels = from[1] / (block * block), height = from[2], width = from[3];
  const auto* source = in.as<const uint32_t>();
  auto* target = out.as<uint32_t>();
  for (int64_t n = 0; n < from[0]; ++n)
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t y = 0; y < height * block; ++y)
        for (int64_t x = 0; x < width * block; ++x) {
          const int64_t cell = y % block * block + x % block;
          const int64_t channel = crd ? c * block * block + cell : cell * channels + c;
          *target++ = source[((n * from[1] + channel) * height + y / block) * width + x / block];
        }
}

bool is_integer(const View& view) { return view.type.dtype == DType::uint8 || view.type.dtype == DType::int8; }

Tensor as_floats(const View& view, float scale, float zero) {
  Tensor tensor = Tensor::make({DType::float32, view.shape()});
  for (int64_t i = 0; i < view.elements(); ++i)
    tensor.as<float>()[i] = (static_cast<float>(element_as_double(view, i)) - zero) * scale;
  return tensor;
}

void quantize(const Fused& fused, const View& value) {
  const bool is_signed = fused.kind == Fused::Kind::quantize_s8;
  const float low = (is_signed ? -128.0f : 0.0f) - fused.b, high = (is_signed ? 127.0f : 255.0f) - fused.b;
  float* x = value.as<float>();
  for (int64_t i = 0; i < value.elements(); ++i)
    x[i] = std::nearbyint(std::min(std::max(x[i] * (1.0f / fused.a), low), high)) + fused.b;
}

void apply(const Fused& fused, const Args& args, const View& value) {
  if (fused.quantizes()) return quantize(fused, value);
  if (fused.dequantizes()) {
    for (int64_t i = 0; i < value.elements(); ++i) value.as<float>()[i] = (value.as<float>()[i] - fused.b) * fused.a;
    return;
  }
  if (fused.operand < 0) return elementwise::apply_unary(fused.function, fused.a, fused.b, value, value);
  Tensor real;
  View operand = args.in[static_cast<size_t>(fused.operand)];
  if (is_integer(operand)) {
    real = as_floats(operand, fused.a, fused.b);
    operand = real.view();
  }
  if (fused.swapped)
    elementwise::apply_binary(fused.function, operand, value, value);
  else
    elementwise::apply_binary(fused.function, value, operand, value);
}

// Where values are quantized on the way, they lie in a temporary as floats, integers or not.
void run_quantized_reference(const Args& args, List<View> in) {
  const Node& node = args.node();
  std::vector<Type> types;
  for (const View& view : in) types.push_back(view.type);
  Infer own(node, types, std::vector<const Tensor*>(in.size()));
  infer(own);
  Tensor result = Tensor::make(own.out[0].type);
  const View view = result.view();
  node.op->reference(Args(node, in, List<View>(&view, 1)));
  if (is_integer(view)) result = as_floats(view, 1, 0);
  for (const Fused& fused : node.epilogue) apply(fused, args, result.view());
  for (int64_t i = 0; i < args.out[0].elements(); ++i)
    set_element(args.out[0], i, static_cast<double>(result.as<float>()[i]));
}

bool is_quantized(const Fused& fused) { return fused.quantizes() || fused.dequantizes(); }

// The operator's reference, then its epilogue entry by entry. Before a DepthToSpace the values
// lie in a temporary of the operator's own shape.
void run_reference(const Args& args, Threads& threads) {
  const OpDef& op = *args.node().op;
  const auto& epilogue = args.node().epilogue;
  const List<View> in = args.in.first(args.node().op_inputs());
  if (std::any_of(epilogue.begin(), epilogue.end(), is_quantized)) return run_quantized_reference(args, in);
  const auto shuffle = std::find_if(epilogue.begin(), epilogue.end(), [](const Fused& f) { return f.shuffles(); });
  if (shuffle == epilogue.end()) {
    Args own(args.node(), in, args.out);
    own.packed = args.packed;
    own.threads = &threads;
    op.reference(own);
    for (const Fused& fused : epilogue) apply(fused, args, args.out[0]);
    return;
  }
  const auto block = static_cast<int64_t>(shuffle->a);
  Type type = args.out[0].type;
  type.shape[1] *= block * block;
  type.shape[2] /= block;
  type.shape[3] /= block;
  const Tensor before = Tensor::make(type);
  const View view = before.view();
  op.reference(Args(args.node(), in, List<View>(&view, 1)));
  for (auto fused = epilogue.begin(); fused != shuffle; ++fused) apply(*fused, args, view);
  depth_to_space(view, args.out[0], block, shuffle->b != 0);
  for (auto fused = shuffle + 1; fused != epilogue.end(); ++fused) apply(*fused, args, args.out[0]);
}

class Cpu final : public HostBackend {
 public:
  explicit Cpu(Precision precision) {
    for (int i = 0; i < kernel_file_count; ++i)
      for (const CpuKernel& kernel : kernel_files[i]->kernels)
        if (kernel.precision == Precision::fp32 || kernel.precision == precision) {
          by_op_[kernel.op].push_back(&kernel);
          row_step_ = std::lcm(row_step_, std::max(kernel.row_step, 1));
        }
  }

  Text name() const override { return "cpu"; }
  int row_step() const override { return row_step_; }

  void offers(const Problem& problem, std::vector<Offer>& out) const override {
    const OpDef& op = *problem.node.op;
    if (const auto found = by_op_.find(op.name); found != by_op_.end())
      for (const CpuKernel* kernel : found->second)
        if (fits(*kernel, problem)) {
          const int reach = kernel->row_reach ? kernel->row_reach(*kernel, problem) : -1;
          const bool tiles = kernel->rank_by_tiles && level() >= Level::amx;
          out.push_back({kernel, kernel->name, tiles ? kernel->rank_by_tiles : kernel->rank, kernel->in, kernel->out,
                         kernel->in_place, reach < 0 ? 0 : kernel->row_step, reach});
        }
    std::stable_sort(out.begin(), out.end(), [](const Offer& a, const Offer& b) { return a.rank > b.rank; });
    if ((op.reference || op.view) && !reorders_for_others(problem)) out.push_back({nullptr, reference_name, 0});
  }

  std::shared_ptr<const Packed> pack(const Offer& offer, const Problem& problem) const override {
    const auto* kernel = static_cast<const CpuKernel*>(offer.kernel);
    if (kernel) return kernel->pack ? kernel->pack(*kernel, problem) : nullptr;
    if (!problem.node.op->prepare) return nullptr;
    auto packed = std::make_shared<Packed>();
    packed->object = problem.node.op->prepare(AttrReader(problem.node));
    return packed;
  }

  int64_t scratch_bytes(const Offer& offer, const Problem& problem, int threads) const override {
    const auto* kernel = static_cast<const CpuKernel*>(offer.kernel);
    return kernel && kernel->scratch ? kernel->scratch(*kernel, problem, threads) : 0;
  }

  int64_t kept_bytes(const Offer& offer, const Problem& problem) const override {
    const auto* kernel = static_cast<const CpuKernel*>(offer.kernel);
    return kernel && kernel->kept ? kernel->kept(*kernel, problem) : 0;
  }

  void run(const Offer& offer, const Args& args, Threads& threads) const override {
    const auto* kernel = static_cast<const CpuKernel*>(offer.kernel);
    if (kernel && (!kernel->takes || kernel->takes(*kernel, args)))
      kernel->run(*kernel, args, threads);
    else
      run_reference(args, threads);
  }

 private:
  static bool fits(const CpuKernel& kernel, const Problem& problem) {
    const Node& node = problem.node;
    if (kernel.domain != node.op->domain) return false;
    if (!node.epilogue.empty() && !(kernel.accepts_epilogue && kernel.accepts_epilogue(kernel, problem))) return false;
    return !kernel.accepts || kernel.accepts(kernel, problem);
  }

  // Whether it reorders to or from a layout that is not the CPU's. For all other nodes layouts are the planner's choice
  // still: what a device made may lie in its own until a Reorder is put there.
  static bool reorders_for_others(const Problem& problem) {
    static const OpDef* const reorder = find_op(internal_domain, "Reorder", 1);
    const auto is_own = [](const Type& type) { return type.layout == Layout::row_major || type.layout == nchw16c; };
    return problem.node.op == reorder && !(is_own(problem.in[0]) && is_own(problem.out[0]));
  }

  std::unordered_map<Text, std::vector<const CpuKernel*>> by_op_;
  int row_step_ = 1;
};

}  // namespace

bool gains_from(Precision precision) {
  switch (precision) {
    case Precision::fp32:
    case Precision::exact: return true;
    case Precision::bf16x3: return level() >= Level::amx;
    case Precision::bf16: return level() >= Level::avx512bf16;
    case Precision::fp16: break;
  }
  return false;
}

std::unique_ptr<HostBackend> make_backend(Precision precision) {
  level();  // a wrong TESSERA_ISA is reported here, not in the middle of a run
  return std::make_unique<Cpu>(precision);
}

}  // namespace tessera::cpu
