// PixelsToPlanes (domain tessera): rows of pixels become the planes of numbers that a model wants.
#include "ops/pixels.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_planes(Infer& n) {
  const Shape& pixels = n.shape(0);
  const ToPlanes to(n);
  const size_t channels = to.from.size();
  if (pixels.rank() != 3 || pixels[2] < 1 || pixels[2] > static_cast<int64_t>(most_samples))
    fail(Error::Kind::shape, "pixels ", pixels, " are not [height, width, 1 to 4 samples]");
  if (channels < 1 || channels > most_samples || to.black.size() != channels || to.span.size() != channels)
    fail(Error::Kind::shape, channels, " channels with ", to.black.size(), " black levels and ", to.span.size(),
         " spans");
  for (const int64_t sample : to.from)
    if (sample < -1 || sample >= pixels[2]) fail(Error::Kind::shape, "pixels ", pixels, " have no sample ", sample);
  n.set(0, DType::float32, {1, static_cast<int64_t>(channels), pixels[0], pixels[1]});
}

void planes_reference(const Args& a) {
  const ToPlanes to(a);
  const Shape& shape = a.in[0].shape();
  const int64_t count = shape[0] * shape[1], samples = shape[2];
  float* out = a.out[0].as<float>();
  visit_bits(a.in[0].type.dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      const float unit = 1.0f / static_cast<float>(std::numeric_limits<T>::max());
      const T* in = a.in[0].as<const T>();
      for (size_t c = 0; c < to.from.size(); ++c)
        for (const int64_t row : Steps(shape[0]))
          for (int64_t i = row * shape[1]; i < (row + 1) * shape[1]; ++i) {
            const float sample = to.from[c] < 0 ? 1.0f : static_cast<float>(in[i * samples + to.from[c]]) * unit;
            out[static_cast<int64_t>(c) * count + i] = to.number(c, sample);
          }
    }
  });
}

constexpr AttrDef attrs[] = {
    {.name = "from", .required = true}, {.name = "black", .required = true}, {.name = "span", .required = true}};
const OpDef defs[] = {{.name = "PixelsToPlanes",
                       .domain = internal_domain,
                       .in = {1, 1},
                       .types = "T=uint8|uint16 : T -> float32",
                       .attrs = attrs,
                       .infer = infer_planes,
                       .reference = planes_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile pixels_to_planes;
const OpFile pixels_to_planes{defs};

}  // namespace tessera::ops
