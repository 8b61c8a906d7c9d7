#include "upscale/identity.h"

#include <cstdio>
#include <cstring>

namespace tessera::upscale {

// Two sums over words of 8 bytes, mixed as MurmurHash3 mixes its words.
std::string identity_of(List<std::byte> bytes) {
  uint64_t one = bytes.size(), two = ~one;
  for (size_t i = 0; i < bytes.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min<size_t>(8, bytes.size() - i));
    word *= 0x87c37b91114253d5u;
    word = (word << 31 | word >> 33) * 0x4cf5ad432745937fu;
    one = ((one ^ word) << 27 | (one ^ word) >> 37) * 5 + 0x52dce729u;
    two = (two + word) * 0x9E3779B97F4A7C15u;
    two ^= two >> 29;
  }
  char text[40];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(one),
                static_cast<unsigned long long>(two));
  return text;
}

}  // namespace tessera::upscale
