#include "tools/upscale/streams.h"

namespace tessera::upscale {
namespace {

/// Decoded bytes after which what was read of a mapped file is given back.
constexpr int64_t drop_after = int64_t{16} << 20;

}  // namespace

FileSource::FileSource(const std::filesystem::path& path, const DecodeLimits& limits) : input_(path), limits_(limits) {
  const Stopwatch watch(seconds_);
  reader_ = open_reader(input_.bytes(), limits_);
  head_ = reader_->head();
}

void FileSource::load() {
  if (whole_ || reader_->streams()) return;
  const Stopwatch watch(seconds_);
  whole_ = reader_->whole();
  head_.notes = whole_->notes;
  reader_.reset();
  input_.drop();
}

std::optional<Animation> FileSource::animation() {
  const Stopwatch watch(seconds_);
  return decode_animation(input_.bytes(), limits_);
}

void FileSource::restart() {
  if (next_ == 0) return;
  const Stopwatch watch(seconds_);
  reader_ = open_reader(input_.bytes(), limits_);
  next_ = 0;
}

void FileSource::read(int64_t count, std::byte* to) {
  const Stopwatch watch(seconds_);
  reader_->rows(count, to);
  next_ += count;
  since_drop_ += count * head_.row_bytes();
  if (since_drop_ < drop_after) return;
  since_drop_ = 0;
  input_.drop();
}

FileSink::FileSink(const std::filesystem::path& path, WriteOptions write, Format format, const EncodeOptions& encode)
    : file_(path, (write.at_end = true, write)), format_(format), options_(encode) {}

void FileSink::begin(const Head& head) {
  const Stopwatch watch(seconds_);
  writer_.reset();
  whole_.reset();
  notes_.clear();
  file_.restart();
  Sink sink;
  sink.write = [this](List<std::byte> bytes) { file_.write(bytes); };
  sink.overwrite = [this](int64_t at, List<std::byte> bytes) { file_.overwrite(at, bytes); };
  writer_ = open_writer(head, format_, options_, std::move(sink), notes_);
  if (writer_->streams()) return;
  whole_.emplace(head);
  whole_->allocate();
}

void FileSink::write(const std::byte* rows, int64_t count) {
  const Stopwatch watch(seconds_);
  writer_->rows(rows, count);
}

NewFile FileSink::finish() {
  const Stopwatch watch(seconds_);
  if (whole_)
    writer_->whole(std::move(*whole_));
  else
    writer_->finish();
  whole_.reset();
  writer_.reset();
  return std::move(file_);
}

}  // namespace tessera::upscale
