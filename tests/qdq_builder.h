// Graphs of float operators between QuantizeLinear and DequantizeLinear, as exporters of quantized models write them.
#pragma once

#include "tests/graph_builder.h"
#include "tests/support.h"

namespace tessera::test {

struct Qdq : GraphBuilder {
  unsigned next = 1;
  Tensor scalar(DType type, double value) { return tensor(type, {}, {value}); }
  ValueId around(ValueId x, double scale, double zero, DType type = DType::uint8) {
    const ValueId s = constant(scalar(DType::float32, scale)), z = constant(scalar(type, zero));
    return node("DequantizeLinear", {node("QuantizeLinear", {x, s, z}, {}, 13), s, z}, {}, 13);
  }
  ValueId weights(const Shape& shape, double x_scale, ValueId* bias, int64_t axis = 0) {
    const int64_t outputs = shape[static_cast<size_t>(axis)];
    Tensor scale = tessera::test::random_tensor(DType::float32, {outputs}, next++, 0.002, 0.004), unit = scale.clone();
    for (int64_t i = 0; i < outputs; ++i) unit.as<float>()[i] *= static_cast<float>(x_scale);
    const ValueId w = constant(tessera::test::random_tensor(DType::int8, shape, next++, -128, 128));
    const ValueId b = constant(tessera::test::random_tensor(DType::int32, {outputs}, next++, -3000, 3000));
    *bias = node("DequantizeLinear", {b, constant(std::move(unit))}, {{"axis", int64_t{0}}}, 13);
    return node("DequantizeLinear", {w, constant(std::move(scale))}, {{"axis", axis}}, 13);
  }
  ValueId conv(ValueId x, int64_t from, int64_t to, double x_scale, int64_t kernel = 3, int64_t group = 1) {
    ValueId bias;
    const ValueId w = weights({to, from / group, kernel, kernel}, x_scale, &bias);
    const int64_t pad = kernel / 2;
    return node("Conv", {x, w, bias}, {{"pads", std::vector<int64_t>{pad, pad, pad, pad}}, {"group", group}});
  }
};

}  // namespace tessera::test
