// Pictures of floats, which are proportional to light and may be brighter than white, through models that know samples
// of a curve from 0 to 1.
#pragma once

#include "upscale/rows.h"

namespace tessera::upscale {

/// sRGB's curve, which goes on above 1, and back.
float code_light(float light);
float decode_light(float coded);

/// Rows of floats as 16 bits in sRGB's curve, of which the brightest sample is white, if it is above 1.
class LightSource : public RowSource {
 public:
  /// Reads the whole source once.
  LightSource(RowSource& source, const Recycler& memory);
  float peak() const { return peak_; }
  const Head& head() const override { return head_; }
  void restart() override { source_.restart(); }
  void read(int64_t count, std::byte* to) override;

 private:
  RowSource& source_;
  Head head_;
  float peak_ = 1;
  std::shared_ptr<std::byte> row_;
};

/// The reverse.
class LightSink : public RowSink {
 public:
  LightSink(RowSink& next, float peak) : next_(next), peak_(peak) {}
  void begin(const Head& head) override;
  void write(const std::byte* rows, int64_t count) override;

 private:
  RowSink& next_;
  float peak_;
  Head head_;
  std::vector<float> row_;
};

}  // namespace tessera::upscale
