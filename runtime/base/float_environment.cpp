#include "runtime/base/float_environment.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tessera {

FloatEnvironment::FloatEnvironment() {
  std::fegetenv(&before_);
  std::fesetenv(FE_DFL_ENV);
#if defined(__x86_64__)
  // Not every C library's default environment takes back that subnormal numbers are flushed to zero.
  constexpr unsigned all_masked = 0x1f80;
  _mm_setcsr(all_masked);
#endif
}

}  // namespace tessera
