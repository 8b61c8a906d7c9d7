#include "runtime/session/flops.h"

namespace tessera {
namespace {

double product(const Shape& shape, size_t from) {
  double value = 1;
  for (size_t i = from; i < shape.size(); ++i) value *= static_cast<double>(shape[i]);
  return value;
}

// Multiply-adds per output element (input element for ConvTranspose): the kernel over one group.
double conv(const Shape& image, const Shape& kernel) { return product(image, 0) * product(kernel, 1); }

}  // namespace

double flops(const Node& node, List<Type> in, List<Type> out) {
  const Text op = node.op->name;
  if (in.size() < 2) return 0;
  const Shape& a = in[0].shape;
  const Shape& b = in[1].shape;
  if (op == "Conv" || op == "ConvInteger") {
    // A fused depth_to_space moves elements, but keeps their number.
    return 2 * product(out[0].shape, 0) * product(b, 1);
  }
  if (op == "ConvTranspose") return 2 * conv(a, b);
  if ((op == "QLinearConv" || op == "QuantizedConv" || op == "QuantizedGemm") && in.size() > 3)
    return 2 * product(out[0].shape, 0) * product(in[3].shape, 1);
  if (op == "MatMul" || op == "FusedMatMul" || op == "MatMulInteger")
    return a.empty() ? 0 : 2 * product(out[0].shape, 0) * static_cast<double>(a.back());
  if (op == "Gemm") {
    const AttrReader attrs(node);
    const double inner = a.size() == 2 ? static_cast<double>(a[attrs.integer("transA") ? 0 : 1]) : 0;
    return 2 * product(out[0].shape, 0) * inner;
  }
  return 0;
}

}  // namespace tessera
