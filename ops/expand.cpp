// Expand: broadcasts a tensor to a shape, both ways as numpy does.
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile expand;
namespace {

void infer_expand(Infer& infer) { infer.set(0, broadcast(infer.shape(0), Shape{List<int64_t>(infer.integers_of(1))})); }

void reference(const Args& args) { copy_broadcast(args.in[0], args.out[0]); }

bool follow_expand(reach::Step& s) { return combine(s, {0}); }

const OpDef defs[] = {
    {"Expand", "", 8, {2, 2}, {1, 1}, "T=all : T, int64 -> T", {}, infer_expand, reference, follow_expand}};

}  // namespace
const OpFile expand{defs};
}  // namespace tessera::ops
