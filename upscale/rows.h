// Rows of pictures on their way: where they come from, where they go, and what passes them on.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include "runtime/base/memory.h"
#include "upscale/resample.h"

namespace tessera::upscale {

/// Gives a picture's rows, in order.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual const Head& head() const = 0;
  /// The first row is the next one again.
  virtual void restart() = 0;
  /// The next rows.
  virtual void read(int64_t count, std::byte* to) = 0;
  /// The picture, where all of it lies in memory; else null.
  virtual const Picture* whole() const { return nullptr; }
};

/// Takes a picture's rows, in order.
class RowSink {
 public:
  virtual ~RowSink() = default;
  /// A picture begins; what was written before is void.
  virtual void begin(const Head& head) = 0;
  /// The next rows.
  virtual void write(const std::byte* rows, int64_t count) = 0;
  /// The picture that has begun, where all of it lies in memory: who fills it need not write. Else null.
  virtual Picture* whole() { return nullptr; }
};

class PictureSource : public RowSource {
 public:
  explicit PictureSource(const Picture& picture) : picture_(picture) {}
  const Head& head() const override { return picture_; }
  void restart() override { next_ = 0; }
  void read(int64_t count, std::byte* to) override;
  const Picture* whole() const override { return &picture_; }

 private:
  const Picture& picture_;
  int64_t next_ = 0;
};

/// The first pictures of some that belong together, to choose a model by.
class FirstFrames {
 public:
  static constexpr size_t most = 8;
  /// Pictures stay where they are. No more than are looked at.
  void add(const Picture& picture) {
    if (frames_.size() < most) frames_.push_back(std::make_unique<PictureSource>(picture));
  }
  std::vector<RowSource*> sources() const {
    std::vector<RowSource*> all;
    for (const auto& frame : frames_) all.push_back(frame.get());
    return all;
  }

 private:
  std::vector<std::unique_ptr<PictureSource>> frames_;
};

class PictureSink : public RowSink {
 public:
  explicit PictureSink(Picture& picture) : picture_(picture) {}
  /// Throws Error::memory where the machine has no room for it.
  void begin(const Head& head) override;
  void write(const std::byte* rows, int64_t count) override;
  Picture* whole() override { return &picture_; }

 private:
  Picture& picture_;
  int64_t next_ = 0;
};

/// Memory for that many rows. Throws Error::memory where there is none.
std::shared_ptr<std::byte> allocate_rows(const Frame& frame, int64_t held, const Recycler& memory);

/// All of a source's rows, from the first one on.
Picture hold(RowSource& source);

/// A source's rows in memory that has room for `held` of them: the first ones make room for the next.
class Feed {
 public:
  Feed(RowSource& source, int64_t held, const Recycler& memory);
  const Rows& rows() const { return rows_; }
  /// How many of the source's rows have come.
  int64_t end() const { return end_; }
  /// Reads on until as many have.
  void read(int64_t end);

 private:
  RowSource& source_;
  std::shared_ptr<std::byte> memory_;
  Rows rows_;
  int64_t end_ = 0;
};

/// Hands the rows of one thread to another, of which some wait in between.
class Pipe : public RowSink, public RowSource {
 public:
  Pipe(const Head& head, int64_t held, const Recycler& memory);
  const Head& head() const override { return head_; }
  void begin(const Head& head) override;
  void write(const std::byte* rows, int64_t count) override;
  /// Only before rows were read.
  void restart() override;
  void read(int64_t count, std::byte* to) override;
  /// Who writes or reads from now on gets Error::cancelled.
  void stop();

 private:
  int64_t wait(std::unique_lock<std::mutex>& lock, bool writing);

  Head head_;
  std::shared_ptr<std::byte> memory_;
  Rows rows_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t written_ = 0, read_ = 0;
  bool stopped_ = false;
};

/// Passes rows on at another size.
class Resizer : public RowSink {
 public:
  Resizer(RowSink& next, int64_t width, int64_t height, Filter filter, bool linear, const Recycler& memory)
      : next_(next), width_(width), height_(height), filter_(filter), linear_(linear), recycler_(memory) {}
  void begin(const Head& head) override;
  void write(const std::byte* rows, int64_t count) override;

 private:
  void pass_on();

  RowSink& next_;
  const int64_t width_, height_;
  const Filter filter_;
  const bool linear_;
  const Recycler& recycler_;
  std::optional<Resampler> resampler_;
  std::shared_ptr<std::byte> memory_, band_memory_;
  Rows rows_, band_;
  int64_t have_ = 0, made_ = 0;
};

/// Passes a part of a picture on.
class Cropper : public RowSink {
 public:
  Cropper(RowSink& next, const Region& part) : next_(next), part_(part) {}
  void begin(const Head& head) override;
  void write(const std::byte* rows, int64_t count) override;

 private:
  RowSink& next_;
  const Region part_;
  Frame frame_;
  int64_t y_ = 0;
};

/// Passes rows of 16 bits on in 8.
class Reducer : public RowSink {
 public:
  explicit Reducer(RowSink& next) : next_(next) {}
  void begin(const Head& head) override;
  void write(const std::byte* rows, int64_t count) override;

 private:
  RowSink& next_;
  Frame frame_;
  Bytes row_;
};

}  // namespace tessera::upscale
