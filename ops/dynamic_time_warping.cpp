// com.microsoft DynamicTimeWarping: the cheapest way through a matrix of costs from its first corner to its last.
#include <algorithm>

#include "ops/data_dependent.h"
#include "ops/elements.h"
#include "ops/numbers.h"

namespace tessera::ops {
namespace {

std::vector<Tensor> cheapest_way(const AttrReader&, List<View> in) {
  Shape shape = in[0].shape();
  if (shape.rank() == 3 && shape[0] == 1) shape = {shape[1], shape[2]};
  if (shape.rank() != 2 || shape.elements() == 0) fail(Error::Kind::shape, "input ", in[0].shape(), " is no matrix");
  const int64_t rows = shape[0], columns = shape[1];
  const Read<float> cost(in[0]);
  // What each place costs, with a border that nobody takes, and the step that was taken to it.
  enum Step : uint8_t { both, down, right };
  RunVector<float> sums(static_cast<size_t>((rows + 1) * (columns + 1)), std::numeric_limits<float>::infinity());
  RunVector<Step> steps(sums.size(), both);
  const auto at = [&](int64_t r, int64_t c) { return static_cast<size_t>(r * (columns + 1) + c); };
  sums[0] = 0;
  for (const int64_t r : Steps(rows))
    for (int64_t c = 0; c < columns; ++c) {
      const float diagonal = sums[at(r, c)], above = sums[at(r, c + 1)], left = sums[at(r + 1, c)];
      const Step step = diagonal < above && diagonal < left ? both : above < diagonal && above < left ? down : right;
      steps[at(r + 1, c + 1)] = step;
      sums[at(r + 1, c + 1)] = cost[r * columns + c] + (step == both ? diagonal : step == down ? above : left);
    }
  RunVector<std::pair<int64_t, int64_t>> way;
  for (int64_t r = rows, c = columns; r > 0 && c > 0;) {
    way.emplace_back(r - 1, c - 1);
    const Step step = steps[at(r, c)];
    if (step != right) --r;
    if (step != down) --c;
  }
  const auto count = static_cast<int64_t>(way.size());
  Tensor out = Tensor::make({DType::int32, {2, count}});
  for (int64_t i = 0; i < count; ++i) {
    const auto [r, c] = way[static_cast<size_t>(count - 1 - i)];
    out.as<int32_t>()[i] = static_cast<int32_t>(r), out.as<int32_t>()[count + i] = static_cast<int32_t>(c);
  }
  return {out};
}

const OpDef defs[] = {
    by_value<cheapest_way>("DynamicTimeWarping", 1, {1, 1}, {1, 1}, "float32 -> int32", {}, "com.microsoft")};

}  // namespace

extern const OpFile dynamic_time_warping;
const OpFile dynamic_time_warping{defs};

}  // namespace tessera::ops
