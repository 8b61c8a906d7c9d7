// Rows from and to pictures in a caller's memory.
#pragma once

#include "include/tessera/upscale.h"
#include "upscale/rows.h"

namespace tessera::upscale {

/// Checks what a caller says of a picture, and fills in strides. Throws Error::usage.
tessera_picture checked(const tessera_picture& given);

class CallerSource : public RowSource {
 public:
  explicit CallerSource(const tessera_picture& given);
  const Head& head() const override { return head_; }
  void restart() override { next_ = 0; }
  void read(int64_t count, std::byte* to) override;

 private:
  const tessera_picture from_;
  Head head_;
  int64_t next_ = 0;
};

class CallerSink : public RowSink {
 public:
  explicit CallerSink(const tessera_picture& given);
  const Frame& frame() const { return frame_; }
  /// Throws Error::usage where the result has other channels than the caller's picture.
  void begin(const Head& head) override;
  void write(const std::byte* rows, int64_t count) override;

 private:
  const tessera_picture to_;
  Frame frame_;
  int64_t next_ = 0;
};

}  // namespace tessera::upscale
