// StringConcat: joins strings of two tensors, elementwise with broadcasting.
#include "ops/pairs.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile string_concat;
namespace {

void reference(const Args& args) {
  for_pairs<String, String>(args.in[0], args.in[1], args.out[0],
                            [](const String& x, const String& y) { return x + y; });
}

const OpDef defs[] = {{"StringConcat",
                       "",
                       20,
                       {2, 2},
                       {1, 1},
                       "string, string -> string",
                       {},
                       infer_pair,
                       reference,
                       reach::not_followed}};

}  // namespace
const OpFile string_concat{defs};
}  // namespace tessera::ops
