// com.microsoft CropAndResize: boxes of pictures, each resized to one size. Corners of a box are those of its result.
#include <algorithm>

#include "ops/elements.h"
#include "ops/move.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { x_in, boxes_in, pictures_in, size_in };

void infer_crop(Infer& n) {
  const Shape &x = n.shape(x_in), &boxes = n.shape(boxes_in);
  const std::vector<int64_t> size = n.integers_of(size_in);
  if (x.rank() != 4 || boxes.rank() != 2 || boxes[1] != 4 || !(n.shape(pictures_in) == Shape{boxes[0]}))
    fail(Error::Kind::shape, "boxes ", boxes, " and pictures ", n.shape(pictures_in), " of ", x);
  if (size.size() != 2 || size[0] < 1 || size[1] < 1) fail(Error::Kind::shape, "a size of ", size.size(), " extents");
  const Text mode = n.text("mode");
  if (mode != "bilinear" && mode != "nearest") fail(Error::Kind::model, "attribute \"mode\" is \"", mode, '"');
  n.set(0, {boxes[0], x[1], size[0], size[1]});
}

// Where places of the result lie along an axis of the picture; those outside are below zero.
RunVector<float> places(float begin, float end, int64_t extent, int64_t count) {
  const auto last = static_cast<float>(extent - 1);
  RunVector<float> at(static_cast<size_t>(count), 0.5f * (begin + end) * last);
  if (count > 1) {
    const float step = (end - begin) * last / static_cast<float>(count - 1);
    for (int64_t i = 0; i + 1 < count; ++i) at[static_cast<size_t>(i)] = begin * last + static_cast<float>(i) * step;
    at.back() = end * last;
  }
  for (float& place : at)
    if (!(place >= 0 && place <= last)) place = -1;
  return at;
}

void crop_reference(const Args& a) {
  const Shape &shape = a.in[x_in].shape(), &out = a.out[0].shape();
  const int64_t channels = shape[1], height = shape[2], width = shape[3], rows = out[2], columns = out[3];
  const Read<float> x(a.in[x_in]), boxes(a.in[boxes_in]);
  const Read<int64_t> pictures(a.in[pictures_in]);
  const bool nearest = a.text("mode") == "nearest";
  const float otherwise = a.real("extrapolation_value");
  Write<float> y(a.out[0]);
  for (const int64_t box : Steps(out[0])) {
    const int64_t picture = pictures[box];
    if (picture < 0 || picture >= shape[0]) fail(Error::Kind::shape, "a box of picture ", picture, " of ", shape[0]);
    const float* at = boxes.data() + box * 4;
    const RunVector<float> ys = places(at[0], at[2], height, rows), xs = places(at[1], at[3], width, columns);
    for (const int64_t c : Steps(channels)) {
      const float* plane = x.data() + (picture * channels + c) * height * width;
      float* to = y.data() + (box * channels + c) * rows * columns;
      for (int64_t i = 0; i < rows * columns; ++i) {
        const float row = ys[static_cast<size_t>(i / columns)], column = xs[static_cast<size_t>(i % columns)];
        const auto pixel = [&](float v, float u) {
          return plane[static_cast<int64_t>(v) * width + static_cast<int64_t>(u)];
        };
        if (row < 0 || column < 0) {
          to[i] = otherwise;
        } else if (nearest) {
          to[i] = pixel(std::round(row), std::round(column));
        } else {
          const float v = std::floor(row), u = std::floor(column), below = std::ceil(row), right = std::ceil(column);
          const float first = std::lerp(pixel(v, u), pixel(v, right), column - u);
          to[i] = std::lerp(first, std::lerp(pixel(below, u), pixel(below, right), column - u), row - v);
        }
      }
    }
  }
}

constexpr AttrDef attrs[] = {{"mode", 0, "bilinear"}, {"extrapolation_value"}};
const OpDef defs[] = {{.name = "CropAndResize",
                       .domain = "com.microsoft",
                       .in = {4, 4},
                       .types = "T=float16|float32 : T, T, int32, int32 -> T",
                       .attrs = attrs,
                       .infer = infer_crop,
                       .reference = crop_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile crop_and_resize;
const OpFile crop_and_resize{defs};

}  // namespace tessera::ops
