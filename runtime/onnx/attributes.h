// From AttributeProto to Attr, and what the standard says about attributes by their name.
#pragma once

#include "runtime/onnx/weights.h"

namespace tessera::onnx {

/// AttributeProto.type, in ONNX's numbers.
enum class AttrType : uint8_t {
  undefined,
  real,
  integer,
  string,
  tensor,
  graph,
  reals,
  integers,
  strings,
  tensors,
  graphs,
  sparse_tensor,
  sparse_tensors,
  type,
  types
};

/// What a message calls it ("an integer").
Text name_of(AttrType type);

/// The attribute's type: as it says, or by the field that is filled where it does not say. Throws
/// Error::model where another field than that type's is filled.
AttrType type_of(const proto::Attribute& attribute);

/// Throws Error::model if ai.onnx never gives an attribute of this name this type, so that no
/// operator meets a tensor where it expects an axis.
void check_standard_type(Text name, const proto::Attribute& attribute, AttrType type);

/// The value of any attribute but a graph. Sparse tensors become dense, types become their text
/// ("seq(tensor(float32))"). Throws Error::unsupported for lists of graphs, tensors and types.
Attr value_of(const proto::Attribute& attribute, AttrType type, Weights& weights);

/// The tensor that a Constant node with this one attribute stands for.
Tensor constant_of(const Attr& value);

/// A type as text: "tensor(float32)", "seq(...)", "optional(...)", "map(int64,...)".
std::string text_of(const proto::Type& type);

}  // namespace tessera::onnx
