// Placing what lives for a while: nothing that lives at the same time overlaps, tightly, and in reasonable time.

#include "runtime/plan/fit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <random>

namespace tessera {
namespace {

std::vector<Span> random_spans(size_t count, size_t longest, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Span> spans(count);
  for (size_t i = 0; i < count; ++i) {
    const size_t from = random() % count;
    spans[i] = {static_cast<uint32_t>(i), static_cast<int64_t>(1 + random() % 50) * 64, from,
                from + random() % longest};
  }
  return spans;
}

// Compared with all that have been placed.
int64_t plain_fit(std::vector<Span>& spans) {
  std::stable_sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.bytes > b.bytes; });
  int64_t arena = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    bool moved = true;
    while (moved) {
      moved = false;
      for (size_t k = 0; k < i; ++k) {
        if (spans[k].to < spans[i].from || spans[i].to < spans[k].from) continue;
        if (spans[k].offset >= spans[i].offset + spans[i].bytes) continue;
        if (spans[i].offset >= spans[k].offset + spans[k].bytes) continue;
        spans[i].offset = spans[k].offset + spans[k].bytes;
        moved = true;
      }
    }
    arena = std::max(arena, spans[i].offset + spans[i].bytes);
  }
  return arena;
}

TEST(Fit, FindsTheLowestPlaceThatIsFree) {
  for (const size_t longest : {1, 3, 40, 300})
    for (uint32_t seed = 0; seed < 5; ++seed) {
      std::vector<Span> spans = random_spans(300, longest, seed), plain = spans;
      EXPECT_EQ(fit(spans), plain_fit(plain));
      for (size_t i = 0; i < spans.size(); ++i) {
        EXPECT_EQ(spans[i].id, plain[i].id);
        EXPECT_EQ(spans[i].offset, plain[i].offset);
      }
    }
}

TEST(Fit, ManyNeighboursStayApart) {
  std::vector<Span> spans = random_spans(9000, 9000, 7);
  const int64_t arena = fit(spans);
  int64_t overlaps = 0, all = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    all += spans[i].bytes;
    EXPECT_LE(spans[i].offset + spans[i].bytes, arena);
    for (size_t k = 0; k < i; ++k)
      overlaps += spans[k].to >= spans[i].from && spans[i].to >= spans[k].from &&
                  spans[k].offset < spans[i].offset + spans[i].bytes &&
                  spans[i].offset < spans[k].offset + spans[k].bytes;
  }
  EXPECT_EQ(overlaps, 0);
  EXPECT_LT(arena, all);
}

TEST(Fit, BlocksHaveALimitThatOnlyALargerSpanMayPass) {
  constexpr int64_t limit = 2048;
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::vector<Span> spans = random_spans(60, 6, seed);
    const std::vector<int64_t> blocks = fit_into_blocks(spans, limit);
    EXPECT_GT(blocks.size(), 1u);
    int64_t largest = 0;
    for (size_t i = 0; i < spans.size(); ++i) {
      const Span& a = spans[i];
      largest = std::max(largest, a.offset + a.bytes);
      ASSERT_LT(a.block, blocks.size());
      EXPECT_LE(a.offset + a.bytes, blocks[a.block]);
      EXPECT_TRUE(a.offset == 0 || a.offset + a.bytes <= limit);
      for (size_t k = 0; k < i; ++k) {
        const Span& b = spans[k];
        const bool together = a.block == b.block && a.from <= b.to && b.from <= a.to;
        EXPECT_FALSE(together && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes);
      }
    }
    EXPECT_EQ(largest, *std::max_element(blocks.begin(), blocks.end()));
    EXPECT_GT(largest, limit);  // some spans are larger
  }
}

// Four times as many may not take sixteen times as long.
TEST(Fit, TakesTimeInProportion) {
  for (const size_t longest : {4u, 1u << 20}) {
    const auto seconds = [&](size_t count) {
      std::vector<Span> spans = random_spans(count, std::min(longest, count), 3);
      const auto start = std::chrono::steady_clock::now();
      fit(spans);
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    const double few = std::min(seconds(25000), seconds(25000)), many = seconds(100000);
    EXPECT_LT(many, 10 * few + 0.2) << longest;
  }
}

}  // namespace
}  // namespace tessera
