// RegexFullMatch: which strings match a pattern from end to end.
#include "ops/regex.h"
#include "runtime/graph/op.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile regex_full_match;
namespace {

void infer_regex(Infer& infer) {
  static_cast<void>(Regex(infer.text("pattern")));  // or it fails
  infer.set(0, infer.shape(0));
}

void reference(const Args& args) {
  const Regex regex(args.text("pattern"));
  for (int64_t i = 0, n = args.out[0].elements(); i < n; ++i)
    args.out[0].as<bool>()[i] = regex.matches(args.in[0].as<String>()[i]);
}

constexpr AttrDef attrs[] = {{"pattern"}};
const OpDef defs[] = {{"RegexFullMatch",
                       "",
                       20,
                       {1, 1},
                       {1, 1},
                       "string -> boolean",
                       attrs,
                       infer_regex,
                       reference,
                       reach::not_followed}};

}  // namespace
const OpFile regex_full_match{defs};
}  // namespace tessera::ops
