// Tokens that would say n tokens in a row again.
#pragma once

#include <algorithm>

#include "runtime/base/base.h"

namespace tessera::ops {

/// Calls f(token) for each token that stood behind what are the last `size` - 1 tokens now.
template <class F>
void repeating_tokens(List<int64_t> said, int64_t size, const F& f) {
  const auto n = static_cast<size_t>(size);
  if (size < 1 || said.size() + 1 < n) return;
  const List<int64_t> tail = said.subspan(said.size() - (n - 1));
  for (size_t i = 0; i + n <= said.size(); ++i)
    if (std::equal(tail.begin(), tail.end(), said.begin() + static_cast<ptrdiff_t>(i))) f(said[i + n - 1]);
}

}  // namespace tessera::ops
