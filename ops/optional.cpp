// Optional: a value that may be missing.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  f.out[0].kind = Kind::optional;
  if (!f.in.empty() && (f.in[0].kind != Kind::tensor || f.in[0].tensor.bytes)) f.out[0].items.push_back(f.in[0]);
}

constexpr AttrDef attrs[] = {{"type"}};
const OpDef defs[] = {
    {.name = "Optional", .since = 15, .in = {0, 1}, .out = {1, 1}, .types = {}, .attrs = attrs, .execute = run}};

}  // namespace

extern const OpFile optional;
const OpFile optional{defs};

}  // namespace tessera::ops
