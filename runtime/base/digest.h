// Digest: a sum over bytes, for telling contents apart. It guards against chance and damage, not against malice.
#pragma once

#include "runtime/base/base.h"

namespace tessera {

class Digest {
 public:
  /// Sums that begin with different seeds agree by chance no more often than others.
  explicit Digest(uint64_t seed = 14695981039346656037u) : value_(seed) {}
  /// How bytes are divided into calls matters.
  void add(List<std::byte> bytes);
  void add(Text text) { add(std::as_bytes(List<char>(text))); }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_;
};

}  // namespace tessera
