// Animated PNG: its frames as PNGs of their own, which are drawn one over the other.
#include <zlib.h>

#include <cstring>

#include "upscale/codecs/animation.h"
#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

constexpr size_t signature = 8;

struct Chunk {
  Text kind;
  List<std::byte> data, all;
};

uint32_t number(List<std::byte> bytes, size_t at, size_t size = 4) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | std::to_integer<uint32_t>(bytes[at + i]);
  return value;
}

void put(Bytes& to, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::byte>(value >> shift & 0xff));
}

void put_chunk(Bytes& to, Text kind, List<std::byte> data) {
  put(to, static_cast<uint32_t>(data.size()));
  const size_t start = to.size();
  for (const char c : kind) to.push_back(static_cast<std::byte>(c));
  to.insert(to.end(), data.begin(), data.end());
  put(to, static_cast<uint32_t>(
              crc32_z(crc32_z(0, nullptr, 0), reinterpret_cast<const Bytef*>(to.data() + start), to.size() - start)));
}

/// All of them, or those before the pixels.
std::vector<Chunk> chunks_of(List<std::byte> bytes, bool before_pixels) {
  constexpr size_t around = 12;
  std::vector<Chunk> chunks;
  for (size_t at = signature; bytes.size() - at >= around;) {
    const size_t size = number(bytes, at);
    if (size > bytes.size() - at - around) break;
    chunks.push_back({Text(reinterpret_cast<const char*>(bytes.data()) + at + 4, 4), bytes.subspan(at + 8, size),
                      bytes.subspan(at, size + around)});
    if (before_pixels && chunks.back().kind == "IDAT") break;
    at += size + around;
  }
  return chunks;
}

/// Where a frame is drawn and what becomes of it: the chunk fcTL.
struct Control {
  uint32_t width = 0, height = 0, x = 0, y = 0;
  int milliseconds = 100, disposal = 0;
  bool over = false;

  explicit Control(List<std::byte> data) {
    if (data.size() < 26) fail(Error::Kind::file, "corrupt PNG: a frame without its place");
    width = number(data, 4), height = number(data, 8), x = number(data, 12), y = number(data, 16);
    const uint32_t parts = number(data, 22, 2);
    milliseconds = static_cast<int>(number(data, 20, 2) * 1000 / (parts ? parts : 100));
    disposal = std::to_integer<int>(data[24]);
    over = std::to_integer<int>(data[25]) == 1;
  }
};

/// A PNG of one frame's pixels, in the form that the whole file has.
Bytes frame_file(const std::vector<Chunk>& chunks, const Control& control, const std::vector<List<std::byte>>& data) {
  Bytes file;
  for (const char c : Text("\x89PNG\r\n\x1a\n")) file.push_back(static_cast<std::byte>(c));
  Bytes head;
  put(head, control.width);
  put(head, control.height);
  head.insert(head.end(), chunks[0].data.begin() + 8, chunks[0].data.end());
  put_chunk(file, "IHDR", head);
  for (const Chunk& chunk : chunks)
    if (chunk.kind == "PLTE" || chunk.kind == "tRNS") file.insert(file.end(), chunk.all.begin(), chunk.all.end());
  for (const List<std::byte> part : data) put_chunk(file, "IDAT", part);
  put_chunk(file, "IEND", {});
  return file;
}

}  // namespace

std::optional<Animation> animation_in_png(List<std::byte> bytes, const DecodeLimits& limits) {
  Animation animation;
  bool animated = false;
  for (const Chunk& chunk : chunks_of(bytes, true))
    if (chunk.kind == "acTL" && chunk.data.size() == 8) {
      animated = true;
      animation.loops = static_cast<int>(number(chunk.data, 4) & 0x7fffffff);
    }
  if (!animated) return std::nullopt;
  const std::vector<Chunk> chunks = chunks_of(bytes, false);
  if (chunks[0].kind != "IHDR" || chunks[0].data.size() != 13) return std::nullopt;
  Head head = open_reader(bytes, limits)->head();
  head.channels = 4;
  Canvas canvas(head.width, head.height, head.bits);
  std::optional<Control> control;
  std::vector<List<std::byte>> data;
  const auto finish_frame = [&] {
    if (!control || data.empty()) return;
    check_frames(animation.frames.size() + 1, head, limits);
    if (control->width > head.width || control->height > head.height)
      fail(Error::Kind::file, "corrupt PNG: a frame larger than the picture");
    const Picture stored = decode(frame_file(chunks, *control, data), limits);
    Picture frame(static_cast<const Head&>(stored));
    frame.channels = 4;
    frame.bits = head.bits;
    frame.allocate();
    RowConverter(stored, frame).run(stored.samples.data(), 0, stored.height, frame.samples.data());
    const Picture before = control->disposal == 2 ? canvas.picture() : Picture();
    canvas.draw(frame, control->x, control->y, control->over);
    Picture& seen = animation.frames.emplace_back(head);
    seen.samples = canvas.picture().samples;
    animation.milliseconds.push_back(control->milliseconds);
    if (control->disposal == 1 || (control->disposal == 2 && animation.frames.size() == 1))
      canvas.clear(control->x, control->y, control->width, control->height);
    else if (control->disposal == 2)
      canvas.restore(before);
    data.clear();
  };
  constexpr size_t sequence = 4;
  for (const Chunk& chunk : chunks) {
    if (chunk.kind == "fcTL") {
      finish_frame();
      control.emplace(chunk.data);
    } else if (chunk.kind == "IDAT") {
      if (control) data.push_back(chunk.data);
    } else if (chunk.kind == "fdAT" && chunk.data.size() > sequence) {
      data.push_back(chunk.data.subspan(sequence));
    }
  }
  if (chunks.back().kind != "IEND") fail(Error::Kind::file, "corrupt PNG: the file is truncated");
  finish_frame();
  return animation;
}

}  // namespace tessera::upscale
