// com.microsoft MurmurHash3: the 32-bit hash of each element's bytes.
#include <cstring>

#include "ops/elements.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

constexpr uint32_t rotated(uint32_t x, int bits) { return x << bits | x >> (32 - bits); }

// MurmurHash3_x86_32, which is in the public domain.
uint32_t hash_of(Text bytes, uint32_t seed) {
  const auto mixed = [](uint32_t word) { return rotated(word * 0xcc9e2d51, 15) * 0x1b873593; };
  uint32_t hash = seed;
  size_t at = 0;
  for (; at + 4 <= bytes.size(); at += 4) {
    uint32_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    hash = rotated(hash ^ mixed(word), 13) * 5 + 0xe6546b64;
  }
  uint32_t rest = 0;
  for (size_t i = 0; at + i < bytes.size(); ++i) rest |= uint32_t{static_cast<unsigned char>(bytes[at + i])} << 8 * i;
  hash ^= mixed(rest) ^ static_cast<uint32_t>(bytes.size());
  hash = (hash ^ hash >> 16) * 0x85ebca6b;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35;
  return hash ^ hash >> 16;
}

void infer_hash(Infer& n) { n.set(0, n.integer("positive") ? DType::uint32 : DType::int32, n.shape(0)); }

void hash_reference(const Args& a) {
  const View& x = a.in[0];
  const auto seed = static_cast<uint32_t>(a.integer("seed"));
  const auto size = static_cast<size_t>(bits_of(x.type.dtype) / 8);
  for (const int64_t i : Elements(x.elements())) {
    const Text bytes = x.type.dtype == DType::string
                           ? Text(x.as<const String>()[i])
                           : Text(reinterpret_cast<const char*>(x.data) + static_cast<size_t>(i) * size, size);
    a.out[0].as<uint32_t>()[i] = hash_of(bytes, seed);
  }
}

constexpr AttrDef attrs[] = {{"seed"}, {"positive", 1}};
const OpDef defs[] = {{.name = "MurmurHash3",
                       .domain = "com.microsoft",
                       .in = {1, 1},
                       .types = "T=int32|uint32|int64|uint64|float32|float64|string : T",
                       .attrs = attrs,
                       .infer = infer_hash,
                       .reference = hash_reference,
                       .reach = reach::pointwise}};

}  // namespace

extern const OpFile murmur_hash_3;
const OpFile murmur_hash_3{defs};

}  // namespace tessera::ops
