// ONNX's ImageDecoder, as an operator that a program adds.
#include "upscale/codecs/image_decoder.h"

#include <algorithm>
#include <cstring>

#include "include/tessera/pictures.h"
#include "runtime/base/c_interface.h"
#include "upscale/light.h"
#include "upscale/luma.h"
#include "upscale/status.h"

namespace tessera::upscale {
namespace {

/// A row of 8 bits; light becomes samples.
void row_to_bytes(const Frame& frame, const std::byte* in, std::byte* out) {
  const int64_t samples = frame.width * frame.channels;
  if (frame.bits == 8) std::memcpy(out, in, static_cast<size_t>(samples));
  if (frame.bits == 16) reduce_to_8_bits(in, samples, out);
  if (frame.bits != 32) return;
  const auto* light = reinterpret_cast<const float*>(in);
  for (int64_t i = 0; i < samples; ++i)
    out[i] = static_cast<std::byte>(code_light(light[i] > 0 ? std::min(light[i], 1.0f) : 0) * 255 + 0.5f);
}

/// Alpha is not looked at.
void arrange(const Frame& frame, Pixels pixels, const std::byte* in, std::byte* out) {
  const bool colors = frame.color_channels() == 3;
  for (int64_t x = 0; x < frame.width; ++x, in += frame.channels) {
    if (pixels == Pixels::gray) {
      *out++ = colors ? static_cast<std::byte>(luma_of(in) + 0.5) : *in;
      continue;
    }
    for (int c = 0; c < 3; ++c) *out++ = in[!colors ? 0 : pixels == Pixels::rgb ? c : 2 - c];
  }
}

}  // namespace

Pixels pixels_of(Text pixel_format) {
  if (pixel_format == "RGB") return Pixels::rgb;
  if (pixel_format == "BGR") return Pixels::bgr;
  if (pixel_format == "Grayscale") return Pixels::gray;
  fail(Error::Kind::model, "pixel_format \"", pixel_format, "\": RGB, BGR and Grayscale are known");
}

void decode_image(List<std::byte> file, Pixels pixels,
                  const std::function<std::byte*(int64_t, int64_t, int64_t)>& output) {
  const int64_t channels = pixels == Pixels::gray ? 1 : 3;
  try {
    DecodeLimits limits;
    limits.upright = false;
    const auto reader = open_reader(file, limits);
    const Head& head = reader->head();
    Bytes row(static_cast<size_t>(head.row_bytes())), samples(static_cast<size_t>(head.width * head.channels));
    std::byte* to = output(head.height, head.width, channels);
    for (int64_t y = 0; y < head.height; ++y, to += head.width * channels) {
      reader->rows(1, row.data());
      row_to_bytes(head, row.data(), samples.data());
      arrange(head, pixels, samples.data(), to);
    }
  } catch (const Error& error) {
    if (error.kind() != Error::Kind::file) throw;
    output(0, 0, channels);
  }
}

}  // namespace tessera::upscale

using namespace tessera;
using namespace tessera::c_api;
using namespace tessera::upscale;

namespace {

tessera_status* create(void*, const tessera_node* node, void** state) {
  return guard([&] {
    const char* text = "RGB";
    tessera_attribute attribute;
    TESSERA_INIT(&attribute);
    check(tessera_node_attribute(node, "pixel_format", &attribute));
    if (attribute.kind == TESSERA_TEXT) check(tessera_node_attribute_text(node, "pixel_format", 0, &text, nullptr));
    *state = new Pixels{pixels_of(text)};
  });
}

void destroy(void*, void* state) { delete static_cast<Pixels*>(state); }

tessera_status* run(void*, void* state, const tessera_node*, tessera_call* call) {
  return guard([&] {
    tessera_tensor file;
    check(tessera_call_input(call, 0, &file));
    if (file.rank != 1) fail(Error::Kind::shape, "the bytes of a file have one dimension, not ", file.rank);
    decode_image({static_cast<const std::byte*>(file.data), file.bytes}, *static_cast<const Pixels*>(state),
                 [&](int64_t height, int64_t width, int64_t channels) {
                   const int64_t dims[] = {height, width, channels};
                   tessera_tensor made;
                   check(tessera_call_output(call, 0, TESSERA_UINT8, dims, 3, &made));
                   return static_cast<std::byte*>(made.data);
                 });
  });
}

}  // namespace

tessera_status* tessera_pictures_add_operators(tessera_operators* operators) {
  tessera_operator decoder;
  TESSERA_INIT(&decoder);
  decoder.domain = "";
  decoder.name = "ImageDecoder";
  decoder.version = 20;
  decoder.types = "uint8 -> uint8";
  decoder.min_inputs = decoder.max_inputs = decoder.min_outputs = decoder.max_outputs = 1;
  decoder.create = create;
  decoder.destroy = destroy;
  decoder.run = run;
  return tessera_operators_add(operators, &decoder);
}
