#include "upscale/chain.h"

#include <algorithm>
#include <cmath>

namespace tessera::upscale {
namespace {

int64_t rounded(double extent) { return std::max<int64_t>(1, std::llround(extent)); }

}  // namespace

double Chain::scale() const {
  double scale = 1;
  for (const auto& link : links_) scale *= static_cast<double>(link->convention().scale);
  return scale;
}

Wanted Chain::result_of(int64_t width, int64_t height, int bits) const {
  const auto across = static_cast<double>(width), down = static_cast<double>(height);
  double x = size_.scale > 0 ? size_.scale : scale(), y = x;
  if (size_.width > 0) x = y = static_cast<double>(size_.width) / across;
  if (size_.height > 0) y = static_cast<double>(size_.height) / down;
  if (size_.width <= 0 && size_.height > 0) x = y;
  if (size_.fit) x = y = std::min(x, y);
  Wanted wanted{rounded(across * x), rounded(down * y), bits};
  if (const Region& part = size_.preview; part.width > 0) {
    if (part.x + part.width > width || part.y + part.height > height)
      fail(Error::Kind::usage, "the preview of ", part.width, "x", part.height, " pixels at ", part.x, ",", part.y,
           " is not within the picture of ", width, "x", height);
    const auto first = [](int64_t at, int64_t from, int64_t to) { return at * to / from; };
    const auto last = [](int64_t at, int64_t from, int64_t to) { return (at * to + from - 1) / from; };
    wanted.part.x = first(part.x, width, wanted.width);
    wanted.part.y = first(part.y, height, wanted.height);
    wanted.part.width = last(part.x + part.width, width, wanted.width) - wanted.part.x;
    wanted.part.height = last(part.y + part.height, height, wanted.height) - wanted.part.y;
  }
  return wanted;
}

int Chain::at_once() const {
  int most = 1;
  for (const auto& link : links_) most = std::max(most, link->at_once());
  return most;
}

int64_t Chain::bytes_for(const Frame& frame) const {
  Frame from = frame;
  int64_t most = 0;
  for (size_t i = 0; i < links_.size(); ++i) {
    const bool last = i + 1 == links_.size();
    const int64_t scale = links_[i]->convention().scale;
    const Wanted wanted = last ? result_of(frame.width, frame.height, frame.bits)
                               : Wanted{from.width * scale, from.height * scale, std::max(16, frame.bits)};
    Frame to = from;
    to.width = wanted.width;
    to.height = wanted.height;
    to.bits = wanted.bits;
    const int64_t held = (i ? from.height * from.row_bytes() : 0) + (last ? 0 : to.height * to.row_bytes());
    most = std::max(most, held + links_[i]->bytes_for(from, wanted));
    from = to;
  }
  return most;
}

Picture Chain::upscale(const Picture& picture, Report& report, const Progress& progress) const {
  PictureSource source(picture);
  Picture result;
  PictureSink sink(result);
  upscale(source, sink, report, progress);
  result.notes = picture.notes;
  return result;
}

void Chain::upscale(RowSource& source, RowSink& sink, Report& report, const Progress& progress) const {
  const Head& head = source.head();
  const Wanted result = result_of(head.width, head.height, head.bits);
  // Work grows with the pixels that go into a model.
  std::vector<double> work{0};
  for (double pixels = 1; const auto& link : links_) {
    work.push_back(work.back() + pixels);
    pixels *= static_cast<double>(link->convention().scale * link->convention().scale);
  }
  Picture between;
  for (size_t i = 0; i < links_.size(); ++i) {
    const Picture before = std::move(between);
    between = {};
    PictureSource held(before);
    PictureSink next(between);
    RowSource& from = i ? held : source;
    const int64_t scale = links_[i]->convention().scale;
    const bool last = i + 1 == links_.size();
    const Wanted wanted =
        last ? result : Wanted{from.head().width * scale, from.head().height * scale, std::max(16, head.bits)};
    const auto part = [&](double done) {
      if (progress) progress((work[i] + (work[i + 1] - work[i]) * done) / work.back());
    };
    links_[i]->upscale(from, last ? sink : static_cast<RowSink&>(next), wanted, report, part);
  }
}

}  // namespace tessera::upscale
