// Files of pictures as sources and sinks of rows.
#pragma once

#include <chrono>

#include "upscale/codecs/animation.h"
#include "upscale/codecs/files.h"
#include "upscale/rows.h"

namespace tessera::upscale {

/// Adds up how long some work takes.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() { seconds_ += std::chrono::duration<double>(Clock::now() - start_).count(); }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double& seconds_;
  const Clock::time_point start_ = Clock::now();
};

/// A file that is decoded as its rows are asked for, or all at once where its format gives no rows.
class FileSource : public RowSource {
 public:
  FileSource(const std::filesystem::path& path, const DecodeLimits& limits);
  const Head& head() const override { return head_; }
  void restart() override;
  void read(int64_t count, std::byte* to) override;
  const Picture* whole() const override { return whole_ ? &*whole_ : nullptr; }
  /// Decodes a format that gives no rows.
  void load();
  /// All frames, where the file holds several.
  std::optional<Animation> animation();
  /// Bytes that it holds beside the rows that it gives.
  int64_t held_bytes() const { return reader_ ? reader_->held_bytes() : 0; }
  /// What was lost or assumed, when all rows were read.
  const std::vector<std::string>& notes() const { return reader_ ? reader_->head().notes : head_.notes; }
  double seconds() const { return seconds_; }

 private:
  Input input_;
  DecodeLimits limits_;
  std::unique_ptr<Reader> reader_;
  Head head_;
  std::optional<Picture> whole_;
  int64_t next_ = 0;
  int64_t since_drop_ = 0;  ///< bytes that were decoded since pages of the file were given back
  double seconds_ = 0;
};

/// A new file that is encoded as its rows come, or all at once where its format takes no rows.
class FileSink : public RowSink {
 public:
  FileSink(const std::filesystem::path& path, WriteOptions write, Format format, const EncodeOptions& encode);
  void begin(const Head& head) override;
  void write(const std::byte* rows, int64_t count) override;
  Picture* whole() override { return whole_ ? &*whole_ : nullptr; }
  /// After the last row: the file, to be published.
  NewFile finish();
  const std::vector<std::string>& notes() const { return notes_; }
  double seconds() const { return seconds_; }

 private:
  NewFile file_;
  Format format_;
  EncodeOptions options_;
  std::unique_ptr<Writer> writer_;
  std::optional<Picture> whole_;
  std::vector<std::string> notes_;
  double seconds_ = 0;
};

}  // namespace tessera::upscale
