// Bands: rectangles of a convolution's outputs, each computed from a part of the input that is copied with its padding
// into scratch, or read where it lies if it needs none. Threads share them.
#pragma once

#include "ops/cpu/layout.h"
#include "ops/window.h"
#include "runtime/base/run_scope.h"
#include "runtime/base/threads.h"

namespace tessera::cpu {

/// Outputs of one picture.
struct Band {
  int64_t n;
  Rows y, x;  ///< rows and columns

  int64_t height() const { return y.end - y.begin; }
  int64_t width() const { return x.end - x.begin; }
};

/// How pictures are divided: bands that lie above one another follow one another.
struct Bands {
  int64_t pictures = 1;
  Rows high, wide;                ///< the outputs that are wanted
  int64_t rows = 1, columns = 1;  ///< of a band at most

  int64_t height() const { return high.end - high.begin; }
  int64_t width() const { return wide.end - wide.begin; }
  int64_t high_bands() const { return ceil_div(height(), rows); }
  int64_t wide_bands() const { return ceil_div(width(), columns); }
  int64_t count() const { return pictures * high_bands() * wide_bands(); }
  Band at(int64_t i) const {
    const int64_t n = i / high_bands(), y = high.begin + i % high_bands() * rows;
    const int64_t x = wide.begin + n % wide_bands() * columns;
    return {n / wide_bands(), {y, std::min(high.end, y + rows)}, {x, std::min(wide.end, x + columns)}};
  }
};

/// Elements from one row, block of channels and phase of columns to the next.
struct BandStrides {
  int64_t row = 0, block = 0, phase = 0;
};

/// The copy of a band's input: [row][block][phase][position][pixel].
struct BandBuffer {
  int64_t rows = 0, blocks = 0, positions = 0;
  int phases = 1;          ///< input columns are split by their remainder modulo the stride
  int pixel = block_size;  ///< elements of a block at one position

  BandStrides strides() const {
    const int64_t phase = positions * pixel, block = phases * phase;
    return {blocks * block, block, phase};
  }
  int64_t elements() const { return rows * strides().row; }
};

/// Whether a window reads the input that lies `at` behind where some window begins: strides wider than the kernel
/// leave some out.
inline bool reads(const ops::WindowAxis& axis, int64_t at) {
  for (int64_t k = 0; k < axis.kernel; ++k)
    if ((at - k * axis.dilation) % axis.stride == 0) return true;
  return false;
}

/// Makes one long row of height and width where each output needs one input only, as in a 1x1 convolution.
inline bool flatten(ops::Window& window) {
  ops::WindowAxis &h = window.axis[1], &w = window.axis[2];
  for (const ops::WindowAxis* a : {&h, &w})
    if (a->kernel != 1 || a->stride != 1 || a->pad_begin != 0 || a->in != a->out) return false;
  w.in = w.out = h.in * w.in;
  h.in = h.out = 1;
  return true;
}

/// Calls run(i, the thread's `bytes` of scratch) for each of `count`, until the run is to stop.
template <class Run>
void for_each_item(Threads& threads, int64_t count, std::byte* scratch, int64_t bytes, const Run& run) {
  threads.parallel(count, 1, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end && !stop_requested(); ++i) run(i, scratch + worker * bytes);
  });
}

}  // namespace tessera::cpu
