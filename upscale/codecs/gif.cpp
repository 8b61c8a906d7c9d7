// Reading GIF through giflib. It is not written: 256 colors are too few for what a model makes.
#include <gif_lib.h>

#include <algorithm>
#include <cstring>

#include "upscale/codecs/animation.h"
#include "upscale/codecs/formats.h"

namespace tessera::upscale {
namespace {

struct Close {
  void operator()(GifFileType* gif) const { DGifCloseFile(gif, nullptr); }
};

int on_read(GifFileType* gif, GifByteType* to, int size) {
  List<std::byte>& rest = *static_cast<List<std::byte>*>(gif->UserData);
  const size_t count = std::min(rest.size(), static_cast<size_t>(std::max(size, 0)));
  if (count > 0) std::memcpy(to, rest.data(), count);
  rest = rest.subspan(count);
  return static_cast<int>(count);
}

/// The frames of a file, one after the other, as they are seen.
class Frames {
 public:
  Frames(List<std::byte> bytes, const DecodeLimits& limits) : rest_(bytes), limits_(limits) {
    int error = 0;
    gif_.reset(DGifOpen(&rest_, on_read, &error));
    if (!gif_) fail(Error::Kind::file, "corrupt or truncated GIF: ", reason(error));
    check_extents(gif_->SWidth, gif_->SHeight, limits);
  }

  int64_t width() const { return gif_->SWidth; }
  int64_t height() const { return gif_->SHeight; }
  int loops() const { return loops_; }
  int milliseconds() const { return milliseconds_; }
  const std::vector<TextEntry>& texts() const { return texts_; }
  const Picture& picture() const { return canvas_->picture(); }

  /// Draws the next frame; false where there is none.
  bool next() {
    if (!canvas_) canvas_.emplace(width(), height(), 8);
    dispose();
    for (GifRecordType type = UNDEFINED_RECORD_TYPE; type != TERMINATE_RECORD_TYPE;) {
      demand(DGifGetRecordType(gif_.get(), &type));
      if (type == EXTENSION_RECORD_TYPE) read_extension();
      if (type == IMAGE_DESC_RECORD_TYPE) {
        read_frame();
        return true;
      }
    }
    return false;
  }

 private:
  static Text reason(int error) {
    const char* text = GifErrorString(error);
    return text ? text : "it ends too early";
  }
  void demand(int result) const {
    if (result != GIF_OK) fail(Error::Kind::file, "corrupt or truncated GIF: ", reason(gif_->Error));
  }

  void read_extension() {
    int code = 0;
    GifByteType* data = nullptr;
    demand(DGifGetExtension(gif_.get(), &code, &data));
    const bool loop =
        code == APPLICATION_EXT_FUNC_CODE && data && data[0] == 11 && std::memcmp(data + 1, "NETSCAPE2.0", 11) == 0;
    std::string comment;
    for (; data; demand(DGifGetExtensionNext(gif_.get(), &data))) {
      if (code == GRAPHICS_EXT_FUNC_CODE && data[0] == 4) DGifExtensionToGCB(data[0], data + 1, &control_);
      // Plays again so many times, or for ever.
      if (loop && data[0] == 3 && data[1] == 1) loops_ = data[2] | data[3] << 8 ? (data[2] | data[3] << 8) + 1 : 0;
      if (code == COMMENT_EXT_FUNC_CODE) comment.append(reinterpret_cast<const char*>(data) + 1, data[0]);
    }
    if (!comment.empty()) texts_.push_back({"Comment", utf8_of(comment), "", "", false});
  }

  void read_frame() {
    demand(DGifGetImageDesc(gif_.get()));
    const GifImageDesc& place = gif_->Image;
    check_extents(place.Width, place.Height, limits_);
    const ColorMapObject* map = place.ColorMap ? place.ColorMap : gif_->SColorMap;
    Picture frame;
    frame.width = place.Width;
    frame.height = place.Height;
    frame.channels = 4;
    frame.allocate();
    std::vector<GifPixelType> line(static_cast<size_t>(frame.width));
    // Rows of an interlaced frame come in four passes.
    constexpr int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    for (int pass = 0; pass < (place.Interlace ? 4 : 1); ++pass)
      for (int64_t y = place.Interlace ? first[pass] : 0; y < frame.height; y += place.Interlace ? step[pass] : 1) {
        demand(DGifGetLine(gif_.get(), line.data(), static_cast<int>(line.size())));
        auto* out = reinterpret_cast<uint8_t*>(frame.row(y));
        for (const GifPixelType index : line) {
          const bool seen = static_cast<int>(index) != control_.TransparentColor;
          // Without a map, as grays; what is outside of one is black.
          const GifColorType none{index, index, index}, black{0, 0, 0};
          const GifColorType& color = !map ? none : index < map->ColorCount ? map->Colors[index] : black;
          *out++ = seen ? color.Red : 0;
          *out++ = seen ? color.Green : 0;
          *out++ = seen ? color.Blue : 0;
          *out++ = seen ? 255 : 0;
        }
      }
    if (control_.DisposalMode == DISPOSE_PREVIOUS) before_ = canvas_->picture();
    canvas_->draw(frame, place.Left, place.Top, true);
    disposal_ = control_.DisposalMode;
    left_ = place.Left, top_ = place.Top, width_ = place.Width, height_ = place.Height;
    // Browsers take what is too quick to be meant for a tenth of a second.
    milliseconds_ = control_.DelayTime > 1 ? control_.DelayTime * 10 : 100;
    control_ = {DISPOSAL_UNSPECIFIED, false, 0, NO_TRANSPARENT_COLOR};
  }

  void dispose() {
    if (disposal_ == DISPOSE_BACKGROUND) canvas_->clear(left_, top_, width_, height_);
    if (disposal_ == DISPOSE_PREVIOUS) canvas_->restore(before_);
    disposal_ = DISPOSAL_UNSPECIFIED;
  }

  List<std::byte> rest_;
  DecodeLimits limits_;
  std::unique_ptr<GifFileType, Close> gif_;
  std::optional<Canvas> canvas_;
  GraphicsControlBlock control_{DISPOSAL_UNSPECIFIED, false, 0, NO_TRANSPARENT_COLOR};
  int disposal_ = DISPOSAL_UNSPECIFIED, loops_ = 1, milliseconds_ = 100;
  int64_t left_ = 0, top_ = 0, width_ = 0, height_ = 0;
  Picture before_;
  std::vector<TextEntry> texts_;
};

class GifReader : public WholeReader {
 public:
  GifReader(List<std::byte> bytes, const DecodeLimits& limits) : frames_(bytes, limits) {
    head_.width = frames_.width();
    head_.height = frames_.height();
    head_.channels = 4;
  }

 private:
  void decode(Picture& picture) override {
    if (!frames_.next()) fail(Error::Kind::file, "a GIF without a picture");
    picture.samples = frames_.picture().samples;
    try {
      if (frames_.next()) picture.notes.push_back("an animation: only its first frame is upscaled");
    } catch (const Error&) {
      picture.notes.push_back("a damaged GIF: only its first frame is upscaled");
    }
  }

  Frames frames_;
};

}  // namespace

std::unique_ptr<Reader> open_gif(List<std::byte> bytes, const DecodeLimits& limits) {
  return std::make_unique<GifReader>(bytes, limits);
}

std::optional<Animation> animation_in_gif(List<std::byte> bytes, const DecodeLimits& limits) {
  Frames frames(bytes, limits);
  Animation animation;
  bool damaged = false;
  const auto next = [&] {
    try {
      return frames.next();
    } catch (const Error&) {
      if (animation.frames.empty()) throw;
      damaged = true;
      return false;
    }
  };
  while (next()) {
    check_frames(animation.frames.size() + 1, frames.picture(), limits);
    animation.frames.push_back(frames.picture());
    animation.milliseconds.push_back(frames.milliseconds());
  }
  if (animation.frames.empty()) return std::nullopt;
  animation.loops = frames.loops();
  animation.frames[0].texts = frames.texts();
  if (damaged)
    animation.frames[0].notes.push_back(
        cat("a damaged GIF: what comes after frame ", animation.frames.size(), " is missing"));
  return animation;
}

}  // namespace tessera::upscale
