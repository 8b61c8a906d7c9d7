// SequenceErase: a sequence with one element less.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  Datum result = sequence_in(f, 0);
  const int64_t position = f.has_in(1) ? only_integer(f.in[1], "the position") : -1;
  result.items.erase(result.items.begin() + checked_index(position, static_cast<int64_t>(result.items.size())));
  f.out[0] = std::move(result);
}

const OpDef defs[] = {{.name = "SequenceErase", .since = 11, .in = {1, 2}, .out = {1, 1}, .types = {}, .execute = run}};

}  // namespace

extern const OpFile sequence_erase;
const OpFile sequence_erase{defs};

}  // namespace tessera::ops
