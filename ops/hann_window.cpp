// HannWindow.
#include "ops/window_function.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void window_reference(const Args& a) { store_window(a, 0.5, 0.5, 0); }

const OpDef defs[] = {{.name = "HannWindow",
                       .since = 17,
                       .in = {1, 1},
                       .types = "I=int32|int64 : I",
                       .attrs = window_attrs,
                       .infer = infer_window,
                       .reference = window_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile hann_window;
const OpFile hann_window{defs};

}  // namespace tessera::ops
