// Shapes decide. What is best was measured on devices of the Hopper family; others take what fits.
#include "ops/vulkan/matrix_conv.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "runtime/base/rounding.h"

namespace tessera::vulkan {
namespace {

constexpr uint32_t block = 16, vector_bytes = 16;  // channels; bytes of 8 halves

uint32_t ceil(uint32_t count, uint32_t size) { return (count + size - 1) / size; }

// Whether matrices are so small that a processor without units for them computes them: what matters then is that its
// compiler is done soon.
bool is_emulated(const MatrixShape& matrix) { return matrix.m * matrix.n * matrix.k < 16 * 8 * 8; }

// Workgroups that run at once: a processor has about 48 KB of shared memory for them, and 64 K registers, of which an
// invocation may have 256, and most kernels have as many.
uint32_t resident(const Facts& facts, uint32_t shared_bytes, uint32_t warps, uint32_t registers = 256) {
  constexpr uint32_t processor_bytes = 48 << 10, processor_registers = 64 << 10;
  constexpr uint32_t usual_processors = 32;
  if (is_emulated(facts.matrix)) return 4;
  const uint32_t by_memory = processor_bytes / std::max(shared_bytes, 1u);
  const uint32_t by_registers = processor_registers / (registers * warps * facts.subgroup);
  return (facts.processors ? facts.processors : usual_processors) * std::max(1u, std::min(by_memory, by_registers));
}

uint32_t channel_bytes(uint32_t rows, uint32_t channels) { return rows * channels * uint32_t{sizeof(float)}; }

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

uint32_t shared_bytes(const Gathered& g, const MatrixShape& matrix, uint32_t channel_rows) {
  const uint32_t pixels = g.warps_m * g.each_m * matrix.m, channels = g.warps_n * g.each_n * matrix.n;
  const uint32_t depth = g.step_blocks * block;
  const uint32_t stage = pixels * (depth / 8 + 1) + depth * (channels / 8 + 1);
  const uint32_t results = g.warps() * matrix.m * (g.each_n * matrix.n / 8 + 1);
  return std::max(stage, results) * vector_bytes + channel_bytes(channel_rows, channels);
}

bool fits(uint32_t warps, uint32_t bytes, const Facts& facts) {
  return warps * facts.subgroup <= facts.invocations && bytes <= facts.shared_bytes;
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
                std::max(1u, resident(facts, bytes, rolling->warps(), registers) / across));
  return rolling;
}

Staged choose_staged(const BlockedConv& conv, const Facts& facts, uint32_t channel_rows) {
  // In units of blocks; each makes 64, 48, 32 or 16 channels.
  static constexpr Staged shapes[] = {
      {4, 1, 2, 4, 2, 2}, {4, 2, 1, 4, 3, 2}, {4, 2, 1, 4, 2, 2}, {4, 1, 1, 4, 2, 2},
      {4, 2, 1, 4, 1, 2}, {4, 1, 1, 4, 1, 2}, {2, 2, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1},
  };
  constexpr size_t count = std::size(shapes);
  Staged best = shapes[count - 1];
  uint32_t least = std::numeric_limits<uint32_t>::max();
  for (size_t i = is_emulated(facts.matrix) ? count - 2 : 0; i < count; ++i) {
    const Staged& shape = shapes[i];
    Staged staged = shape;
    staged.each_n *= block / facts.matrix.n;
    const uint32_t made = round_up(conv.out_blocks, shape.warps_n * shape.each_n);
    // Smaller shapes load more for each product: they have to save channels that are computed in vain.
    if (made >= least || !fits(staged.warps(), shared_bytes(staged, facts.matrix, channel_rows), facts)) continue;
    least = made;
    best = staged;
  }
  const uint32_t bytes = shared_bytes(best, facts.matrix, channel_rows);
  const uint32_t across = ceil(conv.out_blocks * block, best.warps_n * best.each_n * facts.matrix.n);
  const uint32_t tiles =
      conv.images * ceil(conv.out_w, best.warps_x * facts.matrix.m) * ceil(conv.out_h, best.warps_y * best.each_rows);
  best.groups = std::min(tiles, std::max(1u, resident(facts, bytes, best.warps()) / across));
  return best;
}

Gathered choose_gathered(const BlockedConv& conv, const Facts& facts, uint32_t channel_rows) {
  // In units of blocks; from 128 channels of 128 pixels down.
  static constexpr Gathered shapes[] = {
      {2, 2, 4, 4, 2}, {2, 2, 4, 2, 2}, {4, 1, 2, 3, 2}, {4, 1, 2, 2, 2}, {4, 1, 2, 1, 2}, {2, 1, 1, 1, 1},
  };
  constexpr size_t count = std::size(shapes);
  Gathered best = shapes[count - 1];
  double least = std::numeric_limits<double>::max();
  for (size_t i = is_emulated(facts.matrix) ? count - 1 : 0; i < count; ++i) {
    const Gathered& shape = shapes[i];
    Gathered gathered = shape;
    gathered.each_n *= block / facts.matrix.n;
    const uint32_t pixels = shape.warps_m * shape.each_m * facts.matrix.m, blocks = shape.warps_n * shape.each_n;
    if (!fits(gathered.warps(), shared_bytes(gathered, facts.matrix, channel_rows), facts)) continue;
    // What is loaded for a tile, and turns of workgroups: few processors without work, few loads for each product.
    const uint64_t all = uint64_t{conv.images} * conv.out_h * conv.out_w;
    const uint64_t tiles = (all + pixels - 1) / pixels * ceil(conv.out_blocks, blocks);
    const uint32_t at_once = resident(facts, shared_bytes(gathered, facts.matrix, channel_rows), gathered.warps());
    const uint64_t turns = (tiles + at_once - 1) / at_once;
    const double cost = static_cast<double>(turns) * (pixels * blocks / 64.0 + pixels / 16.0 + blocks);
    if (cost >= least) continue;
    least = cost;
    best = gathered;
  }
  return best;
}

}  // namespace tessera::vulkan
