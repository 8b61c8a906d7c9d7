// Ink to light: CMYK JPEG samples to RGB, by color management where the file has a profile.
#include <lcms2.h>

#include <memory>

#include "tools/upscale/codec.h"

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

/// False when the profile is not one for CMYK or cannot be used.
bool convert(const Picture& from, bool inverted, Picture& to) {
  if (from.icc.empty()) return false;
  const std::unique_ptr<std::remove_pointer_t<cmsContext>, CloseContext> context(cmsCreateContext(nullptr, nullptr));
  const std::unique_ptr<void, CloseProfile> ink(
      cmsOpenProfileFromMemTHR(context.get(), from.icc.data(), static_cast<cmsUInt32Number>(from.icc.size())));
  const std::unique_ptr<void, CloseProfile> light(cmsCreate_sRGBProfileTHR(context.get()));
  if (!ink || !light || cmsGetColorSpace(ink.get()) != cmsSigCmykData) return false;
  const std::unique_ptr<void, CloseTransform> transform(
      cmsCreateTransformTHR(context.get(), ink.get(), inverted ? TYPE_CMYK_8_REV : TYPE_CMYK_8, light.get(), TYPE_RGB_8,
                            INTENT_PERCEPTUAL, 0));
  if (!transform) return false;
  for (int64_t y = 0; y < from.height; ++y)
    cmsDoTransform(transform.get(), from.row(y), to.row(y), static_cast<cmsUInt32Number>(from.width));
  return true;
}

}  // namespace

void cmyk_to_rgb(Picture& picture, bool inverted) {
  Picture rgb;
  rgb.width = picture.width;
  rgb.height = picture.height;
  rgb.channels = 3;
  rgb.allocate();
  const bool managed = convert(picture, inverted, rgb);
  if (!managed) {
    const auto* in = reinterpret_cast<const uint8_t*>(picture.samples.data());
    auto* out = reinterpret_cast<uint8_t*>(rgb.samples.data());
    for (int64_t i = 0; i < picture.width * picture.height; ++i)
      for (int c = 0; c < 3; ++c) {
        const int color = inverted ? in[4 * i + c] : 255 - in[4 * i + c];
        const int black = inverted ? in[4 * i + 3] : 255 - in[4 * i + 3];
        out[3 * i + c] = static_cast<uint8_t>((color * black + 127) / 255);
      }
  }
  rgb.exif = std::move(picture.exif);
  rgb.notes = std::move(picture.notes);
  rgb.notes.push_back(managed ? "CMYK was converted to sRGB through its own profile"
                              : "CMYK without a usable profile was converted by the plain formula");
  picture = std::move(rgb);
}

}  // namespace tessera::upscale
