// Expand: broadcasts a tensor to a shape, both ways as numpy does.
#include "ops/move.h"

namespace tessera::ops {
extern const OpFile expand;
namespace {

void infer_expand(Infer& infer) { infer.set(0, broadcast(infer.shape(0), Shape{List<int64_t>(infer.integers_of(1))})); }

void reference(const Args& args) { copy_broadcast(args.in[0], args.out[0]); }

const OpDef rows[] = {{"Expand", "", 8, {2, 2}, {1, 1}, "T=all : T, int64 -> T", {}, infer_expand, reference}};

}  // namespace
const OpFile expand{rows};
}  // namespace tessera::ops
