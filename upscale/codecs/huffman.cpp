#include "upscale/codecs/huffman.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace tessera::upscale {
namespace {

constexpr size_t block_bytes = size_t{48} << 10;  // what one set of codes is for
constexpr size_t literals = 286, end_of_block = 256;
constexpr int longest = 15;
constexpr size_t least_run = 4, most_run = 258;

/// Bits into bytes, the lowest first.
class BitWriter {
 public:
  /// Where whole bytes go from now on.
  void move(std::byte* to) { to_ = to; }
  std::byte* place() const { return to_; }
  /// At most 56 bits between two calls of store(), which may write a word.
  void add(uint64_t bits, int count) {
    waiting_ |= bits << count_;
    count_ += count;
  }
  void store() {
    uint64_t word = waiting_;
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    std::memcpy(to_, &word, sizeof word);
    to_ += count_ >> 3;
    waiting_ >>= count_ & ~7;
    count_ &= 7;
  }
  void put(uint64_t bits, int count) {
    add(bits, count);
    store();
  }
  /// The end of what was written, on a byte.
  std::byte* finish() {
    count_ = (count_ + 7) & ~7;
    store();
    return to_;
  }

 private:
  std::byte* to_ = nullptr;
  uint64_t waiting_ = 0;
  int count_ = 0;
};

// How many symbols have a code of each length: the depths of Huffman's tree, of which those that are too deep move up.
// `used` have counts, the rarest first.
std::array<int, longest + 1> lengths_of(List<int> used, List<uint32_t> counts, int most) {
  std::array<int, longest + 1> of_length{};
  const size_t leaves = used.size();
  if (leaves <= 1) {
    of_length[1] = static_cast<int>(leaves);
    return of_length;
  }
  // Leaves in order, then the nodes above them, which come in order too.
  std::vector<uint64_t> weights;
  for (const int symbol : used) weights.push_back(counts[static_cast<size_t>(symbol)]);
  std::vector<size_t> parents(2 * leaves - 1);
  size_t leaf = 0, node = leaves;
  while (weights.size() < parents.size()) {
    uint64_t sum = 0;
    for (int side = 0; side < 2; ++side) {
      const bool is_leaf = leaf < leaves && (node >= weights.size() || weights[leaf] <= weights[node]);
      const size_t taken = is_leaf ? leaf++ : node++;
      parents[taken] = weights.size();
      sum += weights[taken];
    }
    weights.push_back(sum);
  }
  std::vector<int> depths(parents.size(), 0);
  for (size_t i = parents.size() - 1; i-- > 0;) depths[i] = depths[parents[i]] + 1;
  for (size_t i = 0; i < leaves; ++i) ++of_length[static_cast<size_t>(std::min(depths[i], most))];
  // What is too much of Kraft's sum, in units of the longest code.
  int over = -(1 << most);
  for (int length = 1; length <= most; ++length) over += of_length[static_cast<size_t>(length)] << (most - length);
  for (; over > 0; --over) {
    // A shorter code becomes two that are longer by a bit, of which one of the longest takes one.
    auto length = static_cast<size_t>(most) - 1;
    while (of_length[length] == 0) --length;
    --of_length[static_cast<size_t>(most)];
    --of_length[length];
    of_length[length + 1] += 2;
  }
  return of_length;
}

/// A canonical Huffman code; symbols that do not occur have no bits.
template <size_t symbols>
struct Code {
  std::array<uint8_t, symbols> lengths{};
  std::array<uint16_t, symbols> bits{};  ///< the first one lowest

  Code(List<uint32_t> counts, int most) {
    std::vector<int> used;
    for (size_t s = 0; s < symbols; ++s)
      if (counts[s]) used.push_back(static_cast<int>(s));
    const auto count_of = [&](int symbol) { return counts[static_cast<size_t>(symbol)]; };
    std::stable_sort(used.begin(), used.end(), [&](int a, int b) { return count_of(a) < count_of(b); });
    const auto of_length = lengths_of(used, counts, most);
    size_t next = 0;
    for (int length = most; length > 0; --length)
      for (int i = 0; i < of_length[static_cast<size_t>(length)]; ++i)
        lengths[static_cast<size_t>(used[next++])] = static_cast<uint8_t>(length);
    uint32_t code = 0;
    for (int length = 1; length <= most; ++length, code <<= 1)
      for (size_t s = 0; s < symbols; ++s)
        if (lengths[s] == length) bits[s] = reversed(code++, length);
  }
  void write(BitWriter& to, int symbol) const {
    to.add(bits[static_cast<size_t>(symbol)], lengths[static_cast<size_t>(symbol)]);
  }

 private:
  static uint16_t reversed(uint32_t code, int length) {
    uint32_t out = 0;
    for (int i = 0; i < length; ++i) out |= (code >> i & 1) << (length - 1 - i);
    return static_cast<uint16_t>(out);
  }
};

struct Extra {
  int symbol, bits;
  uint32_t value;
};

/// The symbol of a run's length, and the bits behind it.
Extra symbol_of(size_t run) {
  if (run == most_run) return {285, 0, 0};
  const auto length = static_cast<uint32_t>(run - 3);
  if (length < 8) return {257 + static_cast<int>(length), 0, 0};
  const int bits = std::bit_width(length) - 3;
  return {257 + 4 * bits + static_cast<int>(length >> bits), bits, length & ((1U << bits) - 1)};
}

/// Calls `literal` and `run` for what the bytes are; the first one is never in a run.
template <class Literal, class Run>
void each_symbol(const uint8_t* from, size_t count, const Literal& literal, const Run& run) {
  const auto word = [&](size_t i) {
    uint32_t value = 0;
    std::memcpy(&value, from + i, sizeof value);
    return value;
  };
  size_t i = 0;
  if (count > 0) literal(from[i++]);
  while (i + least_run <= count) {
    if (word(i) != word(i - 1)) {
      literal(from[i++]);
      continue;
    }
    const size_t most = std::min(count, i + most_run);
    size_t end = i + least_run;
    while (end < most && from[end] == from[i]) ++end;
    run(end - i);
    i = end;
  }
  while (i < count) literal(from[i++]);
}

/// The lengths of codes, as a block tells them: repeated ones are counted.
struct Lengths {
  std::vector<Extra> symbols;
  std::array<uint32_t, 19> counts{};

  explicit Lengths(List<uint8_t> lengths) {
    for (size_t i = 0; i < lengths.size();) {
      size_t same = 1;
      while (i + same < lengths.size() && lengths[i + same] == lengths[i]) ++same;
      const auto repeat = [&](size_t most, Extra by) {
        const size_t times = std::min(same, most);
        by.value += static_cast<uint32_t>(times);
        add(by);
        i += times;
      };
      if (lengths[i] == 0 && same >= 11)
        repeat(138, {18, 7, 0U - 11});
      else if (lengths[i] == 0 && same >= 3)
        repeat(10, {17, 3, 0U - 3});
      else if (i > 0 && lengths[i] == lengths[i - 1] && same >= 3)
        repeat(6, {16, 2, 0U - 3});
      else
        add({lengths[i++], 0, 0});
    }
  }
  void add(const Extra& symbol) {
    symbols.push_back(symbol);
    ++counts[static_cast<size_t>(symbol.symbol)];
  }
};

constexpr uint8_t lengths_order[] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

void write_head(BitWriter& to, const Code<literals>& code, bool last) {
  size_t used = literals;
  while (code.lengths[used - 1] == 0) --used;
  std::vector<uint8_t> all(code.lengths.begin(), code.lengths.begin() + static_cast<std::ptrdiff_t>(used));
  all.push_back(1);  // of distances: one byte back
  const Lengths lengths(all);
  const Code<19> lengths_code(lengths.counts, 7);
  int told = 19;
  while (lengths_code.lengths[lengths_order[told - 1]] == 0) --told;
  to.put((last ? 1 : 0) | 2 << 1, 3);
  to.put(static_cast<uint64_t>(used - 257) | static_cast<uint64_t>(told - 4) << 10, 14);
  for (int i = 0; i < told; ++i) to.put(lengths_code.lengths[lengths_order[i]], 3);
  for (const Extra& symbol : lengths.symbols) {
    lengths_code.write(to, symbol.symbol);
    to.put(symbol.value, symbol.bits);
  }
}

void write_block(BitWriter& to, const uint8_t* from, size_t count, const Code<literals>& code, bool last) {
  write_head(to, code, last);
  int waiting = 0;
  each_symbol(
      from, count,
      [&](uint8_t byte) {
        code.write(to, byte);
        if (++waiting % 3 == 0) to.store();
      },
      [&](size_t run) {
        const Extra length = symbol_of(run);
        to.store();
        code.write(to, length.symbol);
        to.put(length.value, length.bits + 1);  // and 0: one byte back
        waiting = 0;
      });
  to.store();
  code.write(to, end_of_block);
  to.store();
}

/// The bits of a block's symbols.
uint64_t bits_of(const std::array<uint32_t, literals>& counts, const Code<literals>& code) {
  uint64_t bits = 0;
  for (size_t s = 0; s < literals; ++s) bits += uint64_t{counts[s]} * (code.lengths[s] + (s > end_of_block ? 6U : 0U));
  return bits;
}

}  // namespace

Bytes deflate_runs(const uint8_t* from, size_t count, bool last) {
  constexpr size_t head_bytes = 512;  // at most, of a block's codes
  Bytes out;
  BitWriter to;
  size_t written = 0, at = 0;
  do {
    const size_t size = std::min(block_bytes, count - at);
    const bool is_last = last && at + size == count;
    std::array<uint32_t, literals> counts{};
    each_symbol(
        from + at, size, [&](uint8_t byte) { ++counts[byte]; },
        [&](size_t run) { ++counts[static_cast<size_t>(symbol_of(run).symbol)]; });
    counts[end_of_block] = 1;
    const Code<literals> code(counts, longest);
    out.resize(written + bits_of(counts, code) / 8 + head_bytes + 2 * sizeof(uint64_t));
    to.move(out.data() + written);
    write_block(to, from + at, size, code, is_last);
    written = static_cast<size_t>(to.place() - out.data());
    at += size;
  } while (at < count);
  if (!last) to.put(0, 3);  // an empty block that is stored, to end on a byte
  written = static_cast<size_t>(to.finish() - out.data());
  out.resize(written);
  if (!last)
    for (const int byte : {0, 0, 0xff, 0xff}) out.push_back(static_cast<std::byte>(byte));
  return out;
}

}  // namespace tessera::upscale
