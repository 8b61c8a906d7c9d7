// NonMaxSuppression: the best boxes of each class that do not overlap a better one too much.
#include <algorithm>

#include "ops/containers.h"
#include "ops/elements.h"
#include "ops/numbers.h"

namespace tessera::ops {
namespace {

enum In { boxes_in, scores_in, count_in, overlap_in, score_in };

struct Box {
  double top, left, bottom, right;
  double area() const { return (bottom - top) * (right - left); }
};

Box box_of(const Read<double>& boxes, int64_t i, bool centred) {
  const double a = boxes[4 * i], b = boxes[4 * i + 1], c = boxes[4 * i + 2], d = boxes[4 * i + 3];
  if (centred) return {b - d / 2, a - c / 2, b + d / 2, a + c / 2};  // x, y, width, height
  return {std::min(a, c), std::min(b, d), std::max(a, c), std::max(b, d)};
}

double overlap(const Box& p, const Box& q) {
  const double height = std::min(p.bottom, q.bottom) - std::max(p.top, q.top);
  const double width = std::min(p.right, q.right) - std::max(p.left, q.left);
  if (!(height > 0 && width > 0)) return 0;
  const double both = height * width, all = p.area() + q.area() - both;
  return all > 0 ? both / all : 0;
}

double number(const Frame& f, size_t i, double otherwise) {
  return f.has_in(i) && tensor_in(f, i).type.shape.elements() ? element_as_double(f.in[i].tensor.view(), 0) : otherwise;
}

void run_suppression(Frame& f) {
  const Tensor &boxes_tensor = tensor_in(f, boxes_in), &scores_tensor = tensor_in(f, scores_in);
  const Shape &bs = boxes_tensor.type.shape, &ss = scores_tensor.type.shape;
  if (bs.rank() != 3 || bs[2] != 4 || ss.rank() != 3 || ss[0] != bs[0] || ss[2] != bs[1])
    fail(Error::Kind::shape, "boxes ", bs, " and scores ", ss, " do not fit");
  const Read<double> boxes(boxes_tensor), scores(scores_tensor);
  const auto most = static_cast<size_t>(std::clamp(number(f, count_in, 0), 0.0, 1e18));
  const double most_overlap = number(f, overlap_in, 0);
  const double least_score = number(f, score_in, -std::numeric_limits<double>::infinity());
  const bool centred = f.integer("center_point_box") != 0;
  RunVector<int64_t> chosen;
  for (int64_t b = 0; most && b < ss[0]; ++b)
    for (int64_t c = 0; c < ss[1]; ++c) {
      check_cancelled();
      const double* row = scores.data() + (b * ss[1] + c) * ss[2];
      RunVector<int64_t> order;
      for (int64_t i = 0; i < ss[2]; ++i)
        if (row[i] > least_score) order.push_back(i);
      std::sort(order.begin(), order.end(),
                asking([&](int64_t p, int64_t q) { return row[p] > row[q] || (row[p] == row[q] && p < q); }));
      RunVector<Box> kept;
      for (const int64_t i : order) {
        check_cancelled();
        if (kept.size() >= most) break;
        const Box box = box_of(boxes, b * bs[1] + i, centred);
        if (std::any_of(kept.begin(), kept.end(), [&](const Box& k) { return overlap(k, box) > most_overlap; }))
          continue;
        kept.push_back(box);
        for (const int64_t value : {b, c, i}) chosen.push_back(value);
      }
    }
  Tensor out = Tensor::of(chosen);
  out.type.shape = {static_cast<int64_t>(chosen.size() / 3), 3};
  f.out[0] = datum_of(std::move(out));
}

constexpr AttrDef attrs[] = {{"center_point_box", 0}};
const OpDef defs[] = {
    {.name = "NonMaxSuppression", .since = 10, .in = {2, 5}, .types = {}, .attrs = attrs, .execute = run_suppression}};

}  // namespace

extern const OpFile non_max_suppression;
const OpFile non_max_suppression{defs};

}  // namespace tessera::ops
