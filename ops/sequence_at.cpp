// SequenceAt: one element of a sequence.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  const Datum& sequence = sequence_in(f, 0);
  const int64_t at = checked_index(only_integer(f.in[1], "the position"), static_cast<int64_t>(sequence.items.size()));
  f.out[0] = sequence.items[static_cast<size_t>(at)];
}

const OpDef defs[] = {{.name = "SequenceAt", .since = 11, .in = {2, 2}, .out = {1, 1}, .types = {}, .execute = run}};

}  // namespace

extern const OpFile sequence_at;
const OpFile sequence_at{defs};

}  // namespace tessera::ops
