// PlanesToPixels (domain tessera): planes of a model's numbers become rows of pixels, and facts that tell whether they
// can be a picture (see ops/pixels.h).
#include <algorithm>

#include "ops/pixels.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_pixels(Infer& n) {
  const Shape& planes = n.shape(0);
  const ToPixels to(n);
  if (planes.rank() != 4 || planes[0] != 1 || planes[1] > static_cast<int64_t>(most_samples))
    fail(Error::Kind::shape, "planes ", planes, " are not [1, 1 to 4 channels, height, width]");
  if (to.from.empty() || to.from.size() > most_samples || (to.gray && to.from.size() < 3))
    fail(Error::Kind::shape, to.from.size(), " channels for the samples of a pixel");
  if (to.black.size() != static_cast<size_t>(planes[1]) || to.unit.size() != to.black.size())
    fail(Error::Kind::shape, planes[1], " channels with ", to.black.size(), " black levels and ", to.unit.size(),
         " units");
  if (n.integer("bits") != 8 && n.integer("bits") != 16)
    fail(Error::Kind::shape, "samples of ", n.integer("bits"), " bits");
  for (const int64_t channel : to.from)
    if (channel < 0 || channel >= planes[1]) fail(Error::Kind::shape, "planes ", planes, " have no channel ", channel);
  const auto samples = static_cast<int64_t>(to.samples());
  n.set(0, to.dtype, {planes[2], planes[3], samples});
  n.set(1, DType::float32, {3, samples});
}

void pixels_reference(const Args& a) {
  const ToPixels to(a);
  const Shape& shape = a.in[0].shape();
  const int64_t count = shape[2] * shape[3];
  const auto samples = static_cast<int64_t>(to.samples());
  const auto* in = a.in[0].as<const float>();
  auto* facts = a.out[1].as<float>();
  visit_bits(to.dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T>)
      for (int64_t s = 0; s < samples; ++s) {
        int64_t not_finite = 0;
        float least = INFINITY, most = -INFINITY;
        for (const int64_t row : Steps(shape[2]))
          for (int64_t i = row * shape[3]; i < (row + 1) * shape[3]; ++i) {
            const float value = to.value(static_cast<size_t>(s), [&](size_t k) {
              const auto channel = static_cast<size_t>(to.from[k]);
              return (in[to.from[k] * count + i] - to.black[channel]) * to.unit[channel];
            });
            not_finite += !std::isfinite(value);
            least = value < least ? value : least;
            most = value > most ? value : most;
            a.out[0].as<T>()[i * samples + s] = sample_of<T>(value);
          }
        facts[s] = static_cast<float>(not_finite);
        facts[samples + s] = least;
        facts[2 * samples + s] = most;
      }
  });
}

constexpr AttrDef attrs[] = {{.name = "from", .required = true},
                             {.name = "black", .required = true},
                             {.name = "unit", .required = true},
                             {"gray"},
                             {"bits", 8}};
const OpDef defs[] = {{.name = "PlanesToPixels",
                       .domain = internal_domain,
                       .in = {1, 1},
                       .out = {2, 2},
                       .types = "float32",
                       .attrs = attrs,
                       .infer = infer_pixels,
                       .reference = pixels_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile planes_to_pixels;
const OpFile planes_to_pixels{defs};

}  // namespace tessera::ops
