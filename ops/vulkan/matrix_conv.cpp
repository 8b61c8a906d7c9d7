// Shapes decide. What is best was measured on devices of the Hopper family; others take what fits.
#include "ops/vulkan/matrix_conv.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "ops/vulkan/matrix_tiles.h"

namespace tessera::vulkan {
namespace {

constexpr uint32_t block = block_size;

uint32_t ceil(uint32_t count, uint32_t size) { return (count + size - 1) / size; }

uint32_t shared_bytes(const Rolling& r, const BlockedConv& conv, const MatrixShape& matrix, uint32_t channel_rows) {
  const uint32_t width = r.warps_x * matrix.m, channels = r.warps_n * matrix.n;
  const uint32_t patch = r.step_rows * (width + 2) * (conv.in_blocks * 2 + 1);
  const uint32_t result = r.warps_k * r.step_rows * width * (channels / 8 + 1);
  return 2 * (patch + result) * vector_bytes + channel_bytes(channel_rows, channels);
}

uint32_t shared_bytes(const Staged& s, const MatrixShape& matrix, uint32_t channel_rows) {
  const uint32_t width = s.warps_x * matrix.m, height = s.warps_y * s.each_rows;
  const uint32_t channels = s.warps_n * s.each_n * matrix.n;
  const uint32_t stage = (width + 2) * (height + 2) * 3 + 9 * block * (channels / 8 + 1);
  const uint32_t results = s.warps() * s.flush_rows * matrix.m * (s.each_n * matrix.n / 8 + 1);
  return std::max(stage, results) * vector_bytes + channel_bytes(channel_rows, channels);
}

// Strips so high that the last turn of the workgroups is nearly full, and few rows are read twice.
void choose_strips(Rolling& r, const BlockedConv& conv, uint32_t width, uint32_t groups) {
  const uint32_t columns = conv.images * ceil(conv.out_w, width);
  uint64_t best = std::numeric_limits<uint64_t>::max();
  for (uint32_t rows = 4; rows <= std::max(4u, std::min(conv.out_h, 256u)); ++rows) {
    const uint32_t strips = columns * ceil(conv.out_h, rows);
    const uint64_t turns = ceil(strips, groups), cost = turns * ceil(rows + 2, r.step_rows) * r.step_rows;
    if (cost < best) {
      best = cost;
      r.strip_rows = rows;
      r.groups = std::min(strips, groups);
    }
  }
}

// The subgroups for so many blocks of channels in and out, if rolling is the faster way. In units of blocks.
std::optional<Rolling> measured_rolling(uint32_t in, uint32_t out) {
  if (out % 4 == 0 && in <= 4) return Rolling{1, 4, 1, in, in <= 2 ? 3u : 2u};
  if (out == 3 && in == 1) return Rolling{1, 3, 1, 1, 3};
  if (out == 2 && in <= 4) return Rolling{2, 2, 1, in, 1};
  if (out == 2 && (in == 8 || in == 10)) return Rolling{1, 2, 2, in / 2, 1};
  if (out == 1 && in == 1) return Rolling{4, 1, 1, 1, 2};
  if (out == 1 && in <= 4) return Rolling{1, 1, in, 1, 1};
  if (out == 1 && in == 8) return Rolling{1, 1, 4, 2, 1};
  return std::nullopt;
}

}  // namespace

std::optional<Rolling> choose_rolling(const BlockedConv& conv, const Facts& facts, uint32_t channel_rows) {
  std::optional<Rolling> rolling = measured_rolling(conv.in_blocks, conv.out_blocks);
  if (!rolling) return rolling;
  if (is_emulated(facts.matrix)) rolling->step_rows = 1;
  rolling->warps_n *= block / facts.matrix.n;
  rolling->each_k *= block / facts.matrix.k;
  uint32_t bytes = shared_bytes(*rolling, conv, facts.matrix, channel_rows);
  while (!fits(rolling->warps(), bytes, facts) && rolling->step_rows > 1) {
    --rolling->step_rows;
    bytes = shared_bytes(*rolling, conv, facts.matrix, channel_rows);
  }
  if (!fits(rolling->warps(), bytes, facts)) return std::nullopt;
  // Of the weights, and others.
  const uint32_t registers = std::min(256u, 9 * 4 * rolling->each_k * facts.matrix.k / block + 66);
  const uint32_t across = ceil(conv.out_blocks * block, rolling->warps_n * facts.matrix.n);
  choose_strips(*rolling, conv, rolling->warps_x * facts.matrix.m,
                std::max(1u, resident(bytes, rolling->warps(), facts, registers) / across));
  return rolling;
}

namespace {

// In units of blocks; each makes 64, 48, 32 or 16 channels.
constexpr Staged staged_shapes[] = {
    {4, 1, 2, 4, 2, 2}, {4, 2, 1, 4, 3, 2}, {4, 2, 1, 4, 2, 2}, {4, 1, 1, 4, 2, 2},
    {4, 2, 1, 4, 1, 2}, {4, 1, 1, 4, 1, 2}, {2, 2, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1},
};

}  // namespace

List<Staged> staged_ways() { return staged_shapes; }

std::optional<Staged> staged_by(const Staged& way, const BlockedConv& conv, const Facts& facts, uint32_t channel_rows) {
  Staged staged = way;
  staged.each_n *= block / facts.matrix.n;
  const uint32_t bytes = shared_bytes(staged, facts.matrix, channel_rows);
  if (!fits(staged.warps(), bytes, facts)) return std::nullopt;
  const uint32_t across = ceil(conv.out_blocks * block, staged.warps_n * staged.each_n * facts.matrix.n);
  const uint32_t tiles = conv.images * ceil(conv.out_w, staged.warps_x * facts.matrix.m) *
                         ceil(conv.out_h, staged.warps_y * staged.each_rows);
  staged.groups = std::min(tiles, std::max(1u, resident(bytes, staged.warps(), facts) / across));
  return staged;
}

Staged choose_staged(const BlockedConv& conv, const Facts& facts, uint32_t channel_rows) {
  constexpr size_t count = std::size(staged_shapes);
  std::optional<Staged> best;
  uint32_t least = std::numeric_limits<uint32_t>::max();
  for (size_t i = is_emulated(facts.matrix) ? count - 2 : 0; i < count; ++i) {
    const Staged& shape = staged_shapes[i];
    const uint32_t made = round_up(conv.out_blocks, shape.warps_n * shape.each_n);
    // Smaller shapes load more for each product: they have to save channels that are computed in vain.
    if (made >= least) continue;
    if (const auto staged = staged_by(shape, conv, facts, channel_rows)) best = staged, least = made;
  }
  return *best;
}

}  // namespace tessera::vulkan
