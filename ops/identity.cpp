// Identity: its input under another name; containers pass through too.
#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile identity;
namespace {

void infer_identity(Infer& infer) { infer.set(0, infer.shape(0)); }

void execute_identity(Frame& frame) { frame.out[0] = frame.in[0]; }

const OpDef defs[] = {{.name = "Identity",
                       .in = {1, 1},
                       .types = "T=all : T -> T",
                       .infer = infer_identity,
                       .reference = copy_input,
                       .reach = reach::along,
                       .execute = execute_identity,
                       .view = true}};

}  // namespace
const OpFile identity{defs};
}  // namespace tessera::ops
