// BlackmanWindow.
#include "ops/window_function.h"

namespace tessera::ops {
namespace {

void window_reference(const Args& a) { store_window(a, 0.42, 0.5, 0.08); }

const OpDef rows[] = {{.name = "BlackmanWindow",
                       .since = 17,
                       .in = {1, 1},
                       .types = "I=int32|int64 : I",
                       .attrs = window_attrs,
                       .infer = infer_window,
                       .reference = window_reference}};

}  // namespace

extern const OpFile blackman_window;
const OpFile blackman_window{rows};

}  // namespace tessera::ops
