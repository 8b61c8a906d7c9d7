// C libraries that report errors by longjmp.
#pragma once

#include <csetjmp>

namespace tessera::upscale {

/// Runs `step(handle)`, which may be left by longjmp to handle.state.escape and so owns nothing; all that has a
/// destructor lives in its callers. False: handle.state.error says why.
template <class Handle, class Step>
bool guarded(Handle& handle, const Step& step) {
  if (setjmp(handle.state.escape)) return false;
  step(handle);
  return true;
}

}  // namespace tessera::upscale
