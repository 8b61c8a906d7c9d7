// Col2Im: adds the columns of blocks back into a picture.
#include <algorithm>

#include "ops/elements.h"
#include "ops/numbers.h"
#include "ops/window.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

struct Columns {
  std::vector<WindowAxis> axes;  ///< of the picture: `out` counts the blocks along each
  int64_t taps = 1, blocks = 1, pixels = 1;

  Columns(const AttrReader& n, List<int64_t> image, List<int64_t> block) {
    const int rank = static_cast<int>(image.size());
    if (image.size() != block.size()) fail(Error::Kind::shape, "image ", Shape(image), " with blocks ", Shape(block));
    const auto strides = n.integers("strides"), dilations = n.integers("dilations"), pads = n.integers("pads");
    for (int i = 0; i < rank; ++i) {
      WindowAxis a;
      a.in = window::bounded(image[static_cast<size_t>(i)], 0, "an extent");
      a.kernel = window::bounded(block[static_cast<size_t>(i)], 1, "a block extent");
      a.stride = window::bounded(window::at(strides, i, rank, 1, "strides"), 1, "a stride");
      a.dilation = window::bounded(window::at(dilations, i, rank, 1, "dilations"), 1, "a dilation");
      a.pad_begin = window::bounded(window::at(pads, i, 2 * rank, 0, "pads"), 0, "a pad");
      a.pad_end = window::bounded(window::at(pads, i + rank, 2 * rank, 0, "pads"), 0, "a pad");
      const int64_t room = a.in + a.pad_begin + a.pad_end - a.reach();
      if (room < 0) fail(Error::Kind::shape, "a block of ", a.reach(), " does not fit into ", a.in);
      a.out = room / a.stride + 1;
      taps = window::bounded(taps * a.kernel, 1, "a block's size");
      blocks = window::bounded(blocks * a.out, 1, "a number of blocks");
      pixels = window::bounded(pixels * a.in, 0, "a picture's size");
      axes.push_back(a);
    }
  }

  // The pixel that tap `tap` of block `block` covers, or -1.
  int64_t pixel(int64_t tap, int64_t block) const {
    int64_t at = 0, stride = 1;
    for (size_t i = axes.size(); i-- > 0;) {
      const WindowAxis& a = axes[i];
      const int64_t p = a.at(block % a.out, tap % a.kernel);
      if (p < 0 || p >= a.in) return -1;
      at += p * stride;
      stride *= a.in, block /= a.out, tap /= a.kernel;
    }
    return at;
  }
};

void infer_columns(Infer& n) {
  const Shape& x = n.shape(0);
  const auto image = n.integers_of(1), block = n.integers_of(2);
  const Columns c(n, image, block);
  if (x.rank() != 3 || x[1] % c.taps || x[2] != c.blocks)
    fail(Error::Kind::shape, "input ", x, " for ", c.blocks, " blocks of ", c.taps);
  Shape y{x[0], x[1] / c.taps};
  for (const int64_t extent : image) y.push_back(extent);
  n.set(0, y);
}

void columns_reference(const Args& a) {
  const Columns c(a, as_integers(a.in[1]), as_integers(a.in[2]));
  const Shape& shape = a.out[0].shape();
  const Read<double> x(a.in[0]);
  RunVector<double> sums(static_cast<size_t>(c.pixels));
  for (int64_t plane = 0; plane < shape[0] * shape[1]; ++plane) {
    std::fill(sums.begin(), sums.end(), 0);
    for (const int64_t tap : Steps(c.taps))
      for (int64_t block = 0; block < c.blocks; ++block) {
        const int64_t pixel = c.pixel(tap, block);
        if (pixel >= 0) sums[static_cast<size_t>(pixel)] += x[(plane * c.taps + tap) * c.blocks + block];
      }
    for (const int64_t i : Elements(c.pixels))
      set_element(a.out[0], plane * c.pixels + i, sums[static_cast<size_t>(i)]);
  }
}

constexpr AttrDef attrs[] = {{"dilations"}, {"pads"}, {"strides"}};
const OpDef defs[] = {{.name = "Col2Im",
                       .since = 18,
                       .in = {3, 3},
                       .types = "T=numeric|boolean : T, int64, int64 -> T",
                       .attrs = attrs,
                       .infer = infer_columns,
                       .reference = columns_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile col_2_im;
const OpFile col_2_im{defs};

}  // namespace tessera::ops
