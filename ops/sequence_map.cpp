// SequenceMap: a subgraph applied to each element.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  const size_t count = sequence_in(f, 0).items.size();
  for (const Datum& input : f.in)
    if (input.kind == Kind::sequence && input.items.size() != count)
      fail(Error::Kind::shape, "sequences of ", count, " and ", input.items.size(), " elements");
  std::vector<std::vector<Datum>> results(f.out.size());
  for (size_t i = 0; i < count; ++i) {
    f.check_cancelled();
    std::vector<Datum> in;
    for (const Datum& input : f.in) in.push_back(input.kind == Kind::sequence ? input.items[i] : input);
    std::vector<Datum> out = f.run("body", std::move(in));
    expect_outputs(out, results.size());
    for (size_t o = 0; o < out.size(); ++o) results[o].push_back(std::move(out[o]));
  }
  const Graph& body = f.graph("body");
  for (size_t o = 0; o < results.size(); ++o) {
    const DType element = o < body.outputs.size() ? body.values[body.outputs[o]].type.dtype : DType::undefined;
    f.out[o] = sequence_of(std::move(results[o]), element);
  }
}

constexpr AttrDef attrs[] = {{.name = "body", .required = true}};
const OpDef defs[] = {{.name = "SequenceMap",
                       .since = 17,
                       .in = {1, many},
                       .out = {1, many},
                       .types = {},
                       .attrs = attrs,
                       .execute = run}};

}  // namespace

extern const OpFile sequence_map;
const OpFile sequence_map{defs};

}  // namespace tessera::ops
