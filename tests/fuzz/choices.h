// Decisions out of bytes: what generators of models, graphs and calls ask instead of a random engine. A fuzzer gives
// the bytes; where they end, and for a seed, an engine goes on. The same bytes decide the same on every machine.
#pragma once

#include <initializer_list>
#include <iterator>
#include <random>

#include "runtime/base/base.h"

namespace tessera::test {

class Choices {
 public:
  explicit Choices(uint32_t seed) : engine_(seed) {}
  explicit Choices(List<uint8_t> bytes) : bytes_(bytes) {
    uint32_t hash = 2166136261u;
    for (const uint8_t byte : bytes) hash = (hash ^ byte) * 16777619u;
    engine_.seed(hash);
  }

  uint32_t number() { return take(4); }
  /// One of 0 .. end - 1.
  int64_t below(int64_t end) {
    const uint32_t number = take(end <= 1 << 8 ? 1 : end <= 1 << 16 ? 2 : 4);
    return static_cast<int64_t>(number % static_cast<uint64_t>(end));
  }
  /// One of low .. high.
  int64_t roll(int64_t low, int64_t high) { return low + below(high - low + 1); }
  template <class Items>
  decltype(auto) pick(Items& items) {
    return items[static_cast<size_t>(below(static_cast<int64_t>(std::size(items))))];
  }
  template <class T>
  T pick(std::initializer_list<T> items) {
    return items.begin()[below(static_cast<int64_t>(items.size()))];
  }
  /// Whether bytes are left.
  bool more() const { return at_ < bytes_.size(); }
  /// Up to so many of the bytes that are left, as they are.
  List<uint8_t> rest(size_t most) {
    const List<uint8_t> part = bytes_.subspan(at_, std::min(most, bytes_.size() - at_));
    at_ += part.size();
    return part;
  }

 private:
  uint32_t take(size_t count) {
    if (bytes_.size() - at_ < count) return at_ = bytes_.size(), engine_();
    uint32_t number = 0;
    for (; count > 0; --count) number = number << 8 | bytes_[at_++];
    return number;
  }

  List<uint8_t> bytes_;
  size_t at_ = 0;
  std::mt19937 engine_;
};

}  // namespace tessera::test
