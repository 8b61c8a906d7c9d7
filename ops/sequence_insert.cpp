// SequenceInsert: a sequence with one element more.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  Datum result = sequence_in(f, 0);
  const auto count = static_cast<int64_t>(result.items.size());
  int64_t at = count;
  if (f.has_in(2)) {
    at = only_integer(f.in[2], "the position");
    if (at < -count || at > count) fail(Error::Kind::shape, "position ", at, " in a sequence of ", count);
    if (at < 0) at += count;
  }
  result.items.insert(result.items.begin() + at, f.in[1]);
  result.element = result.items[0].tensor.type.dtype;
  f.out[0] = std::move(result);
}

const OpDef defs[] = {
    {.name = "SequenceInsert", .since = 11, .in = {2, 3}, .out = {1, 1}, .types = {}, .execute = run}};

}  // namespace

extern const OpFile sequence_insert;
const OpFile sequence_insert{defs};

}  // namespace tessera::ops
