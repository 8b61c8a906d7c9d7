// Shapes decide, by what was measured on devices of the Hopper family; others take what fits.
#include "ops/vulkan/matrix_tiles.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace tessera::vulkan {

#include "shaders/params/join_matrix.h"

OnlyTiling only_tiling;

bool is_emulated(const MatrixShape& matrix) { return matrix.m * matrix.n * matrix.k < 16 * 8 * 8; }

// A processor has about 48 KB of shared memory for them, and 64 K registers, of which an invocation may have 256, and
// most kernels have as many.
uint32_t resident_on_one(uint32_t shared_bytes, uint32_t warps, const Facts& facts, uint32_t registers) {
  constexpr uint32_t processor_bytes = 48 << 10, processor_registers = 64 << 10;
  const uint32_t by_memory = processor_bytes / std::max(shared_bytes, 1u);
  const uint32_t by_registers = processor_registers / (registers * warps * facts.subgroup);
  return std::max(1u, std::min(by_memory, by_registers));
}

namespace {

uint32_t processors(const Facts& facts) {
  constexpr uint32_t usual = 32;
  return facts.processors ? facts.processors : usual;
}

constexpr int64_t emulated_groups = 4;  // that run at once, where matrices are emulated

// In units of blocks, which `each_n` is in too.
constexpr Tiling shapes[] = {
    {2, 2, 4, 4, 2}, {2, 2, 4, 2, 2}, {4, 1, 2, 3, 2}, {4, 1, 2, 2, 2}, {4, 1, 2, 1, 2}, {2, 2, 2, 2, 4},
    {2, 2, 2, 1, 8}, {2, 2, 1, 2, 8}, {2, 2, 1, 1, 8}, {1, 4, 1, 1, 8}, {2, 1, 1, 1, 1},
};

uint32_t shared_bytes(const Tiling& t, const TileProblem& problem, const MatrixShape& matrix, uint32_t channel_rows) {
  const uint32_t rows = t.rows(matrix), columns = t.columns(matrix), depth = t.step_blocks * block_size;
  const auto lines = [](uint32_t count, uint32_t length) { return count * (length / 8 + 1); };
  const uint32_t stage = (problem.rows_turned ? lines(depth, rows) : lines(rows, depth)) +
                         (problem.columns_turned ? lines(columns, depth) : lines(depth, columns));
  const uint32_t results = t.warps() * lines(matrix.m, t.each_n * matrix.n);
  return std::max(stage, results) * vector_bytes + channel_bytes(channel_rows, columns);
}

int64_t steps_of(const TileProblem& problem, const Tiling& tiling) {
  return problem.cells * ceil_div(problem.terms, tiling.step_terms());
}

// Microseconds on a processor of the Hopper family. A step waits for what it loads, then its workgroups share the
// processor's matrix units and its way to memory; a tile has a beginning and an end; joining parts is a dispatch more.
double cost(const Tiling& t, const TileProblem& problem, const Facts& facts, uint32_t shared) {
  constexpr double step_wait = 0.5, tile_ends = 2, join_wait = 3, unit_flops = 4.8e6, unit_bytes = 0.2e6,
                   joined_bytes = 3e6;
  const auto rows = static_cast<double>(t.rows(facts.matrix)), columns = static_cast<double>(t.columns(facts.matrix));
  const auto depth = static_cast<double>(t.step_terms());
  const int64_t tiles =
      problem.count * ceil_div(problem.rows, t.rows(facts.matrix)) * ceil_div(problem.columns, t.columns(facts.matrix));
  const int64_t groups = tiles * t.parts, all = processors(facts);
  const int64_t most = resident_on_one(shared, t.warps(), facts), together = std::min(most, ceil_div(groups, all));
  const double step = step_wait + static_cast<double>(together) * (2 * rows * columns * depth / unit_flops +
                                                                   2 * (rows + columns) * depth / unit_bytes);
  const double join =
      t.parts == 1 ? 0 : join_wait + 4 * static_cast<double>(tiles * t.parts) * rows * columns / joined_bytes;
  return static_cast<double>(ceil_div(groups, all * together)) *
             (static_cast<double>(t.part_steps) * step + tile_ends) +
         join;
}

void divide(Tiling& tiling, const TileProblem& problem, int64_t parts) {
  const int64_t steps = steps_of(problem, tiling);
  tiling.part_steps = word(ceil_div(steps, std::clamp<int64_t>(parts, 1, steps)));
  tiling.parts = word(ceil_div(steps, int64_t{tiling.part_steps}));
}

Tiling scaled(Tiling shape, const Facts& facts) {
  shape.each_n *= block_size / facts.matrix.n;
  return shape;
}

}  // namespace

int tiling_count() { return static_cast<int>(std::size(shapes)); }

uint32_t resident(uint32_t shared_bytes, uint32_t warps, const Facts& facts, uint32_t registers) {
  if (is_emulated(facts.matrix)) return emulated_groups;
  return processors(facts) * resident_on_one(shared_bytes, warps, facts, registers);
}

uint32_t channel_bytes(uint32_t rows, uint32_t channels) { return rows * channels * uint32_t{sizeof(float)}; }

bool fits(uint32_t warps, uint32_t shared_bytes, const Facts& facts) {
  return warps * facts.subgroup <= facts.invocations && shared_bytes <= facts.shared_bytes;
}

void set_matrices(uint32_t warps, const Facts& facts, Dispatch& dispatch) {
  dispatch.set("local_size", warps * facts.subgroup);
  dispatch.set("matrix_m", facts.matrix.m);
  dispatch.set("matrix_n", facts.matrix.n);
  dispatch.set("matrix_k", facts.matrix.k);
}

Tiling choose_tiling(const TileProblem& problem, const Recorder& recorder, uint32_t channel_rows) {
  const Facts& facts = recorder.facts();
  constexpr int64_t least_part_steps = 4;
  constexpr size_t count = std::size(shapes);
  Tiling best = scaled(shapes[count - 1], facts);
  divide(best, problem, only_tiling.parts);
  if (only_tiling.shape >= 0) {
    const Tiling only = scaled(shapes[only_tiling.shape], facts);
    if (fits(only.warps(), shared_bytes(only, problem, facts.matrix, channel_rows), facts)) best = only;
    divide(best, problem, only_tiling.parts);
    return best;
  }
  List<Tiling> among = shapes;
  if (const Tiling* tuned =
          recorder.tuned(among, {problem.rows, problem.columns, problem.terms, problem.cells, problem.count})) {
    among = {tuned, 1};
  } else if (is_emulated(facts.matrix)) {
    const int64_t tiles = problem.count * ceil_div(problem.rows, best.rows(facts.matrix)) *
                          ceil_div(problem.columns, best.columns(facts.matrix));
    divide(best, problem, std::min(emulated_groups / tiles, steps_of(problem, best) / least_part_steps));
    return best;
  }
  double least = std::numeric_limits<double>::max();
  for (const Tiling& shape : among) {
    Tiling tiling = scaled(shape, facts);
    const uint32_t bytes = shared_bytes(tiling, problem, facts.matrix, channel_rows);
    if (!fits(tiling.warps(), bytes, facts)) continue;
    const int64_t most_parts = std::max<int64_t>(1, std::min<int64_t>(8, steps_of(problem, tiling) / least_part_steps));
    for (int64_t parts = 1; parts <= most_parts; ++parts) {
      divide(tiling, problem, parts);
      const double time = cost(tiling, problem, facts, bytes);
      if (time >= least) continue;
      least = time;
      best = tiling;
    }
  }
  return best;
}

void set_tiling(const TileProblem& problem, const Tiling& tiling, const Finish& finish, Dispatch& dispatch,
                Recorder& recorder) {
  const Facts& facts = recorder.facts();
  const int64_t padded_rows = round_up(problem.rows, tiling.rows(facts.matrix)), all_rows = problem.count * padded_rows;
  const auto across = word(finish.order.padded) / tiling.columns(facts.matrix);
  set_matrices(tiling.warps(), facts, dispatch);
  dispatch.set("warps_m", tiling.warps_m);
  dispatch.set("warps_n", tiling.warps_n);
  dispatch.set("each_m", tiling.each_m);
  dispatch.set("each_n", tiling.each_n);
  dispatch.set("step_blocks", tiling.step_blocks);
  dispatch.set("rows_turned", problem.rows_turned);
  dispatch.set("columns_turned", problem.columns_turned);
  spread(word(all_rows) / tiling.rows(facts.matrix) * tiling.parts, dispatch);
  dispatch.groups[1] = across;
  if (tiling.parts == 1) {
    finish.add(recorder, dispatch);
    return;
  }
  const Slot sums = recorder.scratch(int64_t{4} * tiling.parts * all_rows * finish.order.padded);
  dispatch.set("to_sums", 1);
  dispatch.bind("all_sums", sums);

  JoinMatrixParams params;
  params.finish = finish.params;
  params.rows = word(problem.rows), params.padded_rows = word(padded_rows), params.all_rows = word(all_rows);
  params.parts = tiling.parts;
  Dispatch& join = recorder.dispatch("join_matrix", params);
  finish.add(recorder, join);
  join.bind("all_sums", sums);
  join.set("local_size", 4 * facts.subgroup);
  join.set("tile_channels", tiling.columns(facts.matrix));
  spread(groups_of(params.all_rows, join_rows), join);
  join.groups[1] = across;
}

}  // namespace tessera::vulkan
