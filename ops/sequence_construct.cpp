// SequenceConstruct: a sequence of its inputs.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  for (size_t i = 1; i < f.in.size(); ++i)
    if (tensor_in(f, i).type.dtype != tensor_in(f, 0).type.dtype)
      fail(Error::Kind::type, "input ", i, " is ", f.in[i].tensor.type, " beside ", f.in[0].tensor.type);
  f.out[0] = sequence_of(f.in, DType::undefined);
}

const OpDef defs[] = {
    {.name = "SequenceConstruct", .since = 11, .in = {1, many}, .out = {1, 1}, .types = {}, .execute = run}};

}  // namespace

extern const OpFile sequence_construct;
const OpFile sequence_construct{defs};

}  // namespace tessera::ops
