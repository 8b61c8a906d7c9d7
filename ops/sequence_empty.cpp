// SequenceEmpty: a sequence without elements.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  const int64_t dtype = f.has("dtype") ? f.integer("dtype") : static_cast<int64_t>(DType::float32);
  if (dtype < 1 || dtype >= dtype_count) fail(Error::Kind::type, "data type ", dtype, " is unknown");
  f.out[0] = sequence_of({}, static_cast<DType>(dtype));
}

constexpr AttrDef attrs[] = {{"dtype"}};
const OpDef defs[] = {
    {.name = "SequenceEmpty", .since = 11, .in = {0, 0}, .out = {1, 1}, .types = {}, .attrs = attrs, .execute = run}};

}  // namespace

extern const OpFile sequence_empty;
const OpFile sequence_empty{defs};

}  // namespace tessera::ops
