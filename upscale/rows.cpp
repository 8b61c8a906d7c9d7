#include "upscale/rows.h"

#include <cstring>
#include <new>

#include "runtime/base/machine_memory.h"

namespace tessera::upscale {
namespace {

/// Rows that are resized together.
constexpr int64_t band_rows = 64;

size_t bytes_of(const Frame& frame, int64_t rows) { return static_cast<size_t>(rows * frame.row_bytes()); }

}  // namespace

std::shared_ptr<std::byte> allocate_rows(const Frame& frame, int64_t held, const Recycler& memory) {
  int64_t bytes = 0;
  if (frame.width <= 0 || __builtin_mul_overflow(frame.row_bytes(), held, &bytes))
    fail(Error::Kind::memory, "rows of ", frame.width, " pixels are too long");
  auto given = memory.allocate(static_cast<size_t>(bytes));
  if (!given)
    fail(Error::Kind::memory, "no memory for ", held, " rows of ", frame.width, " pixels (", bytes, " bytes)");
  return given;
}

void PictureSource::read(int64_t count, std::byte* to) {
  std::memcpy(to, picture_.row(next_), bytes_of(picture_, count));
  next_ += count;
}

void PictureSink::begin(const Head& head) {
  static_cast<Head&>(picture_) = head;
  next_ = 0;
  const int64_t bytes = head.height * head.row_bytes();
  if (static_cast<int64_t>(picture_.samples.size()) == bytes) return;
  if (bytes > available_memory())
    fail(Error::Kind::memory, "the result of ", head.width, "x", head.height, " pixels needs ", bytes >> 20,
         " MiB, more than this machine has free");
  picture_.allocate();
}

void PictureSink::write(const std::byte* rows, int64_t count) {
  std::memcpy(picture_.row(next_), rows, bytes_of(picture_, count));
  next_ += count;
}

Picture hold(RowSource& source) {
  if (const Picture* whole = source.whole()) return *whole;
  Picture picture;
  static_cast<Head&>(picture) = source.head();
  picture.allocate();
  source.restart();
  source.read(picture.height, picture.row(0));
  return picture;
}

Feed::Feed(RowSource& source, int64_t held, const Recycler& memory) : source_(source) {
  if (const Picture* whole = source.whole()) {
    rows_ = whole->rows();
    end_ = whole->height;
    return;
  }
  held = std::min(held, source.head().height);
  memory_ = allocate_rows(source.head(), held, memory);
  rows_ = Rows(source.head(), memory_.get(), held);
  source_.restart();
}

void Feed::read(int64_t end) {
  while (end_ < end) {
    const int64_t count = rows_.together(end_, end);
    source_.read(count, rows_.row(end_));
    end_ += count;
  }
}

Pipe::Pipe(const Head& head, int64_t held, const Recycler& memory)
    : head_(head), memory_(allocate_rows(head, held, memory)), rows_(head, memory_.get(), held) {}

void Pipe::begin(const Head& head) {
  static_cast<void>(head);
  const std::lock_guard lock(mutex_);
  if (written_ > 0) fail(Error::Kind::unsupported, "rows that were passed on cannot be written again");
}

void Pipe::restart() {
  const std::lock_guard lock(mutex_);
  if (read_ > 0) fail(Error::Kind::unsupported, "rows that were passed on cannot be read again");
}

int64_t Pipe::wait(std::unique_lock<std::mutex>& lock, bool writing) {
  const auto room = [&] { return writing ? rows_.held() - (written_ - read_) : written_ - read_; };
  changed_.wait(lock, [&] { return stopped_ || room() > 0; });
  if (stopped_) fail(Error::Kind::cancelled, "interrupted");
  return room();
}

void Pipe::write(const std::byte* rows, int64_t count) {
  std::unique_lock lock(mutex_);
  while (count > 0) {
    const int64_t part = rows_.together(written_, written_ + std::min(count, wait(lock, true)));
    std::memcpy(rows_.row(written_), rows, bytes_of(head_, part));
    rows += bytes_of(head_, part);
    written_ += part;
    count -= part;
    changed_.notify_all();
  }
}

void Pipe::read(int64_t count, std::byte* to) {
  std::unique_lock lock(mutex_);
  while (count > 0) {
    const int64_t part = rows_.together(read_, read_ + std::min(count, wait(lock, false)));
    std::memcpy(to, rows_.row(read_), bytes_of(head_, part));
    to += bytes_of(head_, part);
    read_ += part;
    count -= part;
    changed_.notify_all();
  }
}

void Pipe::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
}

void Resizer::begin(const Head& head) {
  Head larger = head;
  larger.width = width_;
  larger.height = height_;
  next_.begin(larger);
  have_ = made_ = 0;
  resampler_.emplace(head.width, head.height, width_, height_, filter_);
  int64_t held = 1;
  for (int64_t y = 0; y < height_; y += band_rows)
    held = std::max(held, resampler_->source({0, y, width_, std::min(band_rows, height_ - y)}).height);
  memory_ = allocate_rows(head, held, recycler_);
  rows_ = Rows(head, memory_.get(), held);
  const int64_t band = std::min(band_rows, height_);
  band_memory_ = allocate_rows(larger, band, recycler_);
  band_ = Rows(larger, band_memory_.get(), band);
}

void Resizer::write(const std::byte* rows, int64_t count) {
  while (count > 0 && made_ < height_) {
    // What the next band needs has room for all of it.
    const Region from = resampler_->source({0, made_, width_, std::min(band_rows, height_ - made_)});
    const int64_t part =
        std::min(count, rows_.together(have_, std::max(have_ + 1, std::min(rows_.height, from.y + from.height))));
    std::memcpy(rows_.row(have_), rows, bytes_of(rows_, part));
    rows += bytes_of(rows_, part);
    have_ += part;
    count -= part;
    pass_on();
  }
}

void Resizer::pass_on() {
  while (made_ < height_) {
    const Region to{0, made_, width_, std::min(band_rows, height_ - made_)};
    const Region from = resampler_->source(to);
    if (from.y + from.height > have_) return;
    resize(*resampler_, rows_, to, band_, linear_);
    next_.write(band_.row(made_), to.height);
    made_ += to.height;
  }
}

void Cropper::begin(const Head& head) {
  frame_ = head;
  y_ = 0;
  Head part = head;
  part.width = part_.width;
  part.height = part_.height;
  next_.begin(part);
}

void Cropper::write(const std::byte* rows, int64_t count) {
  const size_t first = bytes_of(frame_, 1) / static_cast<size_t>(frame_.width) * static_cast<size_t>(part_.x);
  for (int64_t i = 0; i < count; ++i, ++y_)
    if (y_ >= part_.y && y_ < part_.y + part_.height) next_.write(rows + bytes_of(frame_, i) + first, 1);
}

void Reducer::begin(const Head& head) {
  frame_ = head;
  Head smaller = head;
  smaller.bits = 8;
  row_.resize(bytes_of(smaller, 1));
  next_.begin(smaller);
}

void Reducer::write(const std::byte* rows, int64_t count) {
  for (int64_t y = 0; y < count; ++y) {
    reduce_to_8_bits(rows + bytes_of(frame_, y), static_cast<int64_t>(row_.size()), row_.data());
    next_.write(row_.data(), 1);
  }
}

}  // namespace tessera::upscale
