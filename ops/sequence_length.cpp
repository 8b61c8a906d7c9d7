// SequenceLength: how many elements a sequence has.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) { f.out[0] = datum_of(Tensor::scalar(static_cast<int64_t>(sequence_in(f, 0).items.size()))); }

const OpDef defs[] = {
    {.name = "SequenceLength", .since = 11, .in = {1, 1}, .out = {1, 1}, .types = {}, .execute = run}};

}  // namespace

extern const OpFile sequence_length;
const OpFile sequence_length{defs};

}  // namespace tessera::ops
