// Color profiles: ink to light (CMYK JPEG samples to RGB), profiles made from what PNG says of colors,
// and profiles for another number of channels.
#include <lcms2.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

struct CloseProfile {
  void operator()(void* profile) const { cmsCloseProfile(profile); }
};
struct CloseTransform {
  void operator()(void* transform) const { cmsDeleteTransform(transform); }
};
struct CloseContext {
  void operator()(cmsContext context) const { cmsDeleteContext(context); }
};

using Context = std::unique_ptr<std::remove_pointer_t<cmsContext>, CloseContext>;
using Profile = std::unique_ptr<void, CloseProfile>;
using Curve = std::unique_ptr<cmsToneCurve, decltype(&cmsFreeToneCurve)>;

Profile open_profile(const Context& context, const Bytes& icc) {
  return Profile(cmsOpenProfileFromMemTHR(context.get(), icc.data(), static_cast<cmsUInt32Number>(icc.size())));
}

/// The profile's bytes, which do not tell when they were made; empty without one.
Bytes bytes_of(const Profile& profile) {
  cmsUInt32Number size = 0;
  if (!profile || !cmsSaveProfileToMem(profile.get(), nullptr, &size)) return {};
  Bytes icc(size);
  if (!cmsSaveProfileToMem(profile.get(), icc.data(), &size)) return {};
  constexpr size_t date = 24, date_size = 12;
  constexpr uint8_t first_of_2000[date_size] = {7, 208, 0, 1, 0, 1};
  std::memcpy(icc.data() + date, first_of_2000, date_size);
  return icc;
}

/// White, red, green and blue by their number in ITU-T H.273; x then y.
struct Primaries {
  int number;
  std::array<double, 8> xy;
};
constexpr Primaries known_primaries[] = {
    {1, {0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060}},   // BT.709, sRGB
    {5, {0.3127, 0.3290, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060}},   // BT.601 of 625 lines
    {6, {0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070}},   // BT.601 of 525 lines
    {9, {0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046}},   // BT.2020
    {11, {0.3140, 0.3510, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060}},  // DCI-P3
    {12, {0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060}},  // Display P3
};
constexpr const std::array<double, 8>& srgb_primaries = known_primaries[0].xy;

/// From a sample to light: y = (a x + b)^g from d on, c x below.
struct Transfer {
  int number;
  double g, a, b, c, d;
};
constexpr Transfer known_transfers[] = {
    {1, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081},   // BT.709
    {6, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081},   // BT.601
    {14, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081},  // BT.2020 of 10 bits
    {15, 1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081},  // BT.2020 of 12 bits
    {4, 2.2, 1, 0, 1, 0},
    {5, 2.8, 1, 0, 1, 0},
    {8, 1, 1, 0, 1, 0},
    {13, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045},  // sRGB
};
constexpr const Transfer& srgb_transfer = known_transfers[7];

template <class Row, size_t Count>
const Row* find(const Row (&rows)[Count], int number) {
  const Row* found = std::find_if(rows, rows + Count, [&](const Row& row) { return row.number == number; });
  return found == rows + Count ? nullptr : found;
}

Curve curve_of(const Context& context, const Transfer& t) {
  const double values[] = {t.g, t.a, t.b, t.c, t.d};
  return {t.d > 0 ? cmsBuildParametricToneCurve(context.get(), 4, values) : cmsBuildGamma(context.get(), t.g),
          cmsFreeToneCurve};
}

Profile make_profile(const Context& context, const std::array<double, 8>& xy, const cmsToneCurve* curve, bool gray) {
  if (!curve) return nullptr;
  const cmsCIExyY white{xy[0], xy[1], 1};
  if (gray) return Profile(cmsCreateGrayProfileTHR(context.get(), &white, curve));
  const cmsCIExyYTRIPLE primaries{{xy[2], xy[3], 1}, {xy[4], xy[5], 1}, {xy[6], xy[7], 1}};
  cmsToneCurve* curves[3];
  std::fill_n(curves, 3, const_cast<cmsToneCurve*>(curve));  // lcms copies them
  return Profile(cmsCreateRGBProfileTHR(context.get(), &white, &primaries, curves));
}

/// Whether both say the same, as near as files say it.
bool near(const std::array<double, 8>& a, const std::array<double, 8>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) { return std::abs(x - y) < 0.002; });
}

/// The plain formula.
template <class T>
void mix_inks(const T* in, bool inverted, int64_t pixels, T* out) {
  constexpr uint64_t top = std::numeric_limits<T>::max();
  for (int64_t i = 0; i < pixels; ++i, in += 4)
    for (int c = 0; c < 3; ++c) {
      const uint64_t color = inverted ? in[c] : top - in[c], black = inverted ? in[3] : top - in[3];
      *out++ = static_cast<T>((color * black + top / 2) / top);
    }
}

}  // namespace

struct InkConverter::Managed {
  Context context;
  std::unique_ptr<void, CloseTransform> transform;
};

InkConverter::InkConverter(const Bytes& icc, int bits, bool inverted) : bits_(bits), inverted_(inverted) {
  if (icc.empty()) return;
  Context context(cmsCreateContext(nullptr, nullptr));
  const Profile ink = open_profile(context, icc), light(cmsCreate_sRGBProfileTHR(context.get()));
  if (!ink || !light || cmsGetColorSpace(ink.get()) != cmsSigCmykData) return;
  const auto size = static_cast<cmsUInt32Number>(bits / 8);
  const cmsUInt32Number in = COLORSPACE_SH(PT_CMYK) | CHANNELS_SH(4) | BYTES_SH(size) | FLAVOR_SH(inverted ? 1 : 0);
  const cmsUInt32Number out = COLORSPACE_SH(PT_RGB) | CHANNELS_SH(3) | BYTES_SH(size);
  std::unique_ptr<void, CloseTransform> transform(
      cmsCreateTransformTHR(context.get(), ink.get(), in, light.get(), out, INTENT_PERCEPTUAL, 0));
  if (transform) managed_.reset(new Managed{std::move(context), std::move(transform)});
}

InkConverter::~InkConverter() = default;

std::string InkConverter::note() const {
  return managed_ ? "CMYK was converted to sRGB through its own profile"
                  : "CMYK without a usable profile was converted by the plain formula";
}

void InkConverter::run(const std::byte* in, int64_t pixels, std::byte* out) const {
  if (managed_)
    cmsDoTransform(managed_->transform.get(), in, out, static_cast<cmsUInt32Number>(pixels));
  else if (bits_ == 16)
    mix_inks(reinterpret_cast<const uint16_t*>(in), inverted_, pixels, reinterpret_cast<uint16_t*>(out));
  else
    mix_inks(reinterpret_cast<const uint8_t*>(in), inverted_, pixels, reinterpret_cast<uint8_t*>(out));
}

bool is_plain(const Colorimetry& color) {
  if (!color.cicp.empty() || !color.mastering.empty() || !color.light.empty()) return false;
  if (color.srgb_intent) return true;
  return (!color.gamma || std::abs(*color.gamma - 1 / 2.2) < 0.005) &&
         (!color.chromaticities || near(*color.chromaticities, srgb_primaries));
}

Bytes profile_of(const Colorimetry& color, bool gray) {
  const Context context(cmsCreateContext(nullptr, nullptr));
  if (color.cicp.size() == 4) {
    const auto number = [&](size_t i) { return std::to_integer<int>(color.cicp[i]); };
    const Primaries* primaries = find(known_primaries, number(0));
    const Transfer* transfer = find(known_transfers, number(1));
    // A matrix of 0 is RGB; 1 is the full range.
    if (!primaries || !transfer || number(2) != 0 || number(3) != 1) return {};
    return bytes_of(make_profile(context, primaries->xy, curve_of(context, *transfer).get(), gray));
  }
  Transfer transfer = srgb_transfer;
  if (color.gamma) transfer = {0, *color.gamma > 0 ? 1 / *color.gamma : 1, 1, 0, 1, 0};
  return bytes_of(
      make_profile(context, color.chromaticities.value_or(srgb_primaries), curve_of(context, transfer).get(), gray));
}

Bytes profile_for(const Bytes& icc, bool gray) {
  constexpr size_t space_at = 16;
  if (icc.size() >= 128 && std::memcmp(icc.data() + space_at, gray ? "GRAY" : "RGB ", 4) == 0) return icc;
  const Context context(cmsCreateContext(nullptr, nullptr));
  const Profile given = open_profile(context, icc);
  if (!given || cmsGetColorSpace(given.get()) != (gray ? cmsSigRgbData : cmsSigGrayData)) return {};
  // Grays of an RGB profile lie on its curve, and a gray curve gives the same grays with any primaries.
  const cmsTagSignature tag = gray ? cmsSigGreenTRCTag : cmsSigGrayTRCTag;
  const auto* curve = static_cast<const cmsToneCurve*>(cmsReadTag(given.get(), tag));
  return bytes_of(make_profile(context, srgb_primaries, curve, gray));
}

}  // namespace tessera::upscale
