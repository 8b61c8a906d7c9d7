// Graphs made of a model's graph: a part of it, and one with an input less.
#pragma once

#include "runtime/onnx/load.h"

namespace tessera {

/// The value of that name; `absent` if there is none. One that has none of its own is called # and its number.
ValueId find_value(const Graph& graph, Text name);
std::string name_of(const Graph& graph, ValueId id);

/// The graph from its inputs and the values `given`, of these types, to the values `wanted`, or to its outputs where
/// none are named. An input may be given another type. Values `stretched` become products of what their nodes read with
/// two matrices, inputs behind the others: of rows, on the left, and of columns, on the right.
Graph part_of(const Graph& graph, List<ValueId> given, List<Type> types, List<ValueId> wanted,
              List<ValueId> stretched = {});

/// Makes a constant of an input of numbers, with or without a default: each element is the one number that there is, or
/// they are the elements. Throws Error::usage where there is no such input, or it has another number of elements.
void fix_input(onnx::Loaded& loaded, const std::string& name, List<double> numbers);

/// Gives a constant of the model another value, of the same type. Throws Error::usage where there is no such constant,
/// Error::type where its type is another.
void replace_constant(onnx::Loaded& loaded, const std::string& name, const Datum& value);

}  // namespace tessera
