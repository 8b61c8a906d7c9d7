// ConcatFromSequence: the elements of a sequence as one tensor.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  std::vector<Tensor> parts;
  for (const Datum& item : sequence_in(f, 0).items) parts.push_back(item.tensor);
  f.out[0] = datum_of(join(parts, f.integer("axis"), f.integer("new_axis") != 0));
}

constexpr AttrDef attrs[] = {{.name = "axis", .required = true}, {"new_axis"}};
const OpDef defs[] = {{.name = "ConcatFromSequence",
                       .since = 11,
                       .in = {1, 1},
                       .out = {1, 1},
                       .types = {},
                       .attrs = attrs,
                       .execute = run}};

}  // namespace

extern const OpFile concat_from_sequence;
const OpFile concat_from_sequence{defs};

}  // namespace tessera::ops
