// OptionalHasElement: whether there is a value.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  const bool given = f.has_in(0) && (f.in[0].kind != Kind::optional || !f.in[0].items.empty());
  f.out[0] = datum_of(boolean(given));
}

const OpDef defs[] = {
    {.name = "OptionalHasElement", .since = 15, .in = {0, 1}, .out = {1, 1}, .types = {}, .execute = run}};

}  // namespace

extern const OpFile optional_has_element;
const OpFile optional_has_element{defs};

}  // namespace tessera::ops
