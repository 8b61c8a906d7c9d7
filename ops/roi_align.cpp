// RoiAlign: bilinear samples over each region of interest, averaged or their maximum.
#include <algorithm>

#include "ops/largest.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_roi(Infer& n) {
  const Shape &x = n.shape(0), &rois = n.shape(1);
  const int64_t h = n.integer("output_height"), w = n.integer("output_width");
  if (x.rank() != 4 || rois.rank() != 2 || rois[1] != 4 || !(n.shape(2) == Shape{rois[0]}) || h < 1 || w < 1 ||
      x[2] < 1 || x[3] < 1)
    fail(Error::Kind::shape, "input ", x, " with regions ", rois, " of pictures ", n.shape(2));
  const Text mode = n.text("mode");
  if (mode != "avg" && mode != "max") fail(Error::Kind::model, "attribute \"mode\" is \"", mode, "\"");
  n.set(0, {rois[0], x[1], h, w});
}

// Beyond it a region's coordinates are not meant seriously.
constexpr int64_t most_samples = int64_t{1} << 22;

// The four pixels of one bilinear sample; all weights are zero outside the picture.
struct Sample {
  int64_t at[4] = {0, 0, 0, 0};
  double weight[4] = {0, 0, 0, 0};
};

Sample sample_at(double y, double x, int64_t height, int64_t width) {
  Sample s;
  if (!(y >= -1 && y <= static_cast<double>(height) && x >= -1 && x <= static_cast<double>(width))) return s;
  const auto place = [](double v, int64_t extent, int64_t& low, int64_t& high) {
    v = std::max(v, 0.0);
    low = std::min(static_cast<int64_t>(v), extent - 1);
    high = std::min(low + 1, extent - 1);
    return low == high ? 0.0 : v - static_cast<double>(low);
  };
  int64_t top, bottom, left, right;
  const double v = place(y, height, top, bottom), u = place(x, width, left, right);
  s = {{top * width + left, top * width + right, bottom * width + left, bottom * width + right},
       {(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u}};
  return s;
}

// The samples' sum, or their largest part, in `together` planes.
template <int64_t together, class T>
void pool_samples(const RunVector<Sample>& samples, const T* plane, int64_t plane_size, bool average,
                  double (&value)[together]) {
  std::fill_n(value, together, average || samples.empty() ? 0 : -std::numeric_limits<double>::infinity());
  for (const Sample& s : samples)
    for (int64_t c = 0; c < together; ++c) {
      const T* from = plane + c * plane_size;
      const auto part = [&](int k) { return s.weight[k] * static_cast<double>(from[s.at[k]]); };
      if (average)
        value[c] += (part(0) + part(1)) + (part(2) + part(3));
      else
        for (int k = 0; k < 4; ++k) value[c] = is_larger(part(k), value[c]) ? part(k) : value[c];
    }
}

void pool_regions(const Args& a, bool half_pixel) {
  const Shape &xs = a.in[0].shape(), &ys = a.out[0].shape();
  const double scale = static_cast<double>(a.real("spatial_scale")), shift = half_pixel ? 0.5 : 0;
  const int64_t ratio = a.integer("sampling_ratio");
  const bool average = a.text("mode") == "avg";
  const Read<double> rois(a.in[1]);
  const Read<int64_t> pictures(a.in[2]);
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]);
    Write<T> y(a.out[0]);
    RunVector<Sample> samples;
    for (int64_t roi = 0; roi < ys[0]; ++roi) {
      const int64_t picture = pictures[roi];
      if (picture < 0 || picture >= xs[0]) fail(Error::Kind::shape, "region ", roi, " is in picture ", picture);
      const auto edge = [&](int64_t k) { return rois[roi * 4 + k] * scale - shift; };
      double width = edge(2) - edge(0), height = edge(3) - edge(1);
      if (!half_pixel) width = std::max(width, 1.0), height = std::max(height, 1.0);
      const double bin_h = height / static_cast<double>(ys[2]), bin_w = width / static_cast<double>(ys[3]);
      const auto grid = [&](double bin) {
        if (ratio > 0) return ratio;
        return bin > 0 ? static_cast<int64_t>(std::min(std::ceil(bin), 1e6)) : 0;
      };
      const int64_t rows = grid(bin_h), columns = grid(bin_w);
      if (rows > most_samples || columns > most_samples / std::max<int64_t>(rows, 1))
        fail(Error::Kind::shape, "region ", roi, " needs ", rows, " x ", columns, " samples in each bin");
      for (int64_t ph = 0; ph < ys[2]; ++ph)
        for (const int64_t pw : Steps(ys[3])) {
          samples.clear();
          for (int64_t i = 0; i < rows; ++i)
            for (int64_t j = 0; j < columns; ++j) {
              const double r = (static_cast<double>(i) + 0.5) / static_cast<double>(rows) + static_cast<double>(ph);
              const double c = (static_cast<double>(j) + 0.5) / static_cast<double>(columns) + static_cast<double>(pw);
              samples.push_back(sample_at(edge(1) + r * bin_h, edge(0) + c * bin_w, xs[2], xs[3]));
            }
          const double count = static_cast<double>(std::max<size_t>(samples.size(), 1));
          const T* first = x.data() + picture * xs[1] * xs[2] * xs[3];
          const auto pool = [&]<int64_t together>(int64_t channel) {
            const T* plane = first + channel * xs[2] * xs[3];
            double value[together];
            pool_samples<together>(samples, plane, xs[2] * xs[3], average, value);
            for (int64_t k = 0; k < together; ++k)
              y[((roi * xs[1] + channel + k) * ys[2] + ph) * ys[3] + pw] =
                  static_cast<T>(average ? value[k] / count : value[k]);
          };
          int64_t channel = 0;
          for (; channel + 4 <= xs[1]; channel += 4) pool.template operator()<4>(channel);
          for (; channel < xs[1]; ++channel) pool.template operator()<1>(channel);
        }
    }
  });
}

void align_10(const Args& a) { pool_regions(a, false); }
void align_16(const Args& a) {
  const Text mode = a.text("coordinate_transformation_mode");
  if (mode != "half_pixel" && mode != "output_half_pixel")
    fail(Error::Kind::model, "attribute \"coordinate_transformation_mode\" is \"", mode, "\"");
  pool_regions(a, mode == "half_pixel");
}

constexpr AttrDef attrs[] = {{"mode", 0, "avg"},   {"output_height", 1},
                             {"output_width", 1},  {"sampling_ratio", 0},
                             {"spatial_scale", 1}, {"coordinate_transformation_mode", 0, "half_pixel", false, 16}};
constexpr Text types = "T=float : T, T, int64 -> T";
const OpDef defs[] = {{.name = "RoiAlign",
                       .since = 10,
                       .in = {3, 3},
                       .types = types,
                       .attrs = attrs,
                       .infer = infer_roi,
                       .reference = align_10,
                       .reach = reach::not_followed},
                      {.name = "RoiAlign",
                       .since = 16,
                       .in = {3, 3},
                       .types = types,
                       .attrs = attrs,
                       .infer = infer_roi,
                       .reference = align_16,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile roi_align;
const OpFile roi_align{defs};

}  // namespace tessera::ops
