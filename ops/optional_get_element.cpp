// OptionalGetElement: the value in an optional; anything else passes through.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run(Frame& f) {
  if (f.in[0].kind != Kind::optional) {
    f.out[0] = f.in[0];
    return;
  }
  if (f.in[0].items.empty()) fail(Error::Kind::model, "the optional is empty");
  const Datum value = f.in[0].items[0];
  f.out[0] = value;
}

const OpDef defs[] = {
    {.name = "OptionalGetElement", .since = 15, .in = {1, 1}, .out = {1, 1}, .types = {}, .execute = run}};

}  // namespace

extern const OpFile optional_get_element;
const OpFile optional_get_element{defs};

}  // namespace tessera::ops
