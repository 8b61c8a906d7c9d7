// The floating-point environment that the library computes in, whatever its caller's is.
#pragma once

#include <cfenv>

namespace tessera {

/// While one lives, this thread computes as C programs begin: round to nearest, no traps, subnormal numbers
/// as they are. Then the environment is what it was before, exception flags included. Doors of the library and
/// threads that compute for it hold one.
class FloatEnvironment {
 public:
  FloatEnvironment();
  ~FloatEnvironment() { std::fesetenv(&before_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  std::fenv_t before_;
};

}  // namespace tessera
