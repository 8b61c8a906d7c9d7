// Size: the number of elements of a tensor.
#include "runtime/graph/op.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile size;
namespace {

void infer_size(Infer& infer) { infer.set_value(0, Tensor::scalar(infer.shape(0).elements())); }

void reference(const Args& args) { *args.out[0].as<int64_t>() = args.in[0].elements(); }

const OpDef defs[] = {{"Size", "", 1, {1, 1}, {1, 1}, "T=all : T -> int64", {}, infer_size, reference, reach::source}};

}  // namespace
const OpFile size{defs};
}  // namespace tessera::ops
