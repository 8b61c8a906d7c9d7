// Random graphs of operators that move, join, reduce and compute, over tensors of any rank and of several types: what
// rewrites, views, parts and layouts meet beside convolutions (tests/random_graph.h has those of real models).
#pragma once

#include "tests/fuzz/choices.h"
#include "tests/graph_builder.h"
#include "tests/tensors.h"

namespace tessera::test {

class AnyGraph : public GraphBuilder {
 public:
  explicit AnyGraph(Choices choices);
  std::vector<Tensor> inputs;

 private:
  int64_t below(int64_t end) { return choices_.below(end); }
  const Type& type(ValueId id) const { return graph.values[id].type; }
  const Shape& shape(ValueId id) const { return type(id).shape; }
  size_t axis_of(ValueId id) { return static_cast<size_t>(below(shape(id).rank())); }
  ValueId any() { return below(3) ? pool_.back() : choices_.pick(pool_); }
  ValueId numbers(DType dtype, const Shape& shape) {
    return constant(tessera::test::random_tensor(dtype, shape, choices_.number(), -2, 2));
  }
  ValueId list(const std::vector<int64_t>& values) { return constant(List<int64_t>(values)); }
  Shape some_shape(int most_rank);

  /// A node whose outputs, all of them in the pool then, have types; none where inference refuses it.
  bool make(Text op, std::vector<ValueId> in, Attrs attrs = {}, size_t outputs = 1, int opset = 21);
  ValueId partner(ValueId x);
  void step();
  void compute(ValueId x);
  void move(ValueId x);
  void cut(ValueId x);
  void join(ValueId x);
  void reduce(ValueId x);
  void multiply(ValueId x);
  void slide(ValueId x);

  Choices choices_;
  std::vector<ValueId> pool_;
};

}  // namespace tessera::test
