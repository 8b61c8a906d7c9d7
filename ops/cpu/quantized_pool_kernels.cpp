// MaxPool and QLinearGlobalAveragePool of bytes in blocks of sixteen channels.
#include <algorithm>
#include <cmath>

#include "ops/cpu/attrs.h"
#include "ops/cpu/kernel.h"
#include "ops/window.h"
#include "runtime/base/run_scope.h"

namespace tessera::cpu {
namespace {

bool is_bytes(const Type& type) { return type.dtype == DType::uint8 || type.dtype == DType::int8; }

ops::Window window_of(const AttrReader& attrs, const Shape& in) {
  return ops::resolve_window(attrs, in, attrs.integers("kernel_shape"), attrs.integer("ceil_mode") != 0);
}

bool accepts_max(const CpuKernel&, const Problem& problem) {
  for (size_t i = 1; i < problem.node.out.size(); ++i)
    if (problem.node.out[i] != absent) return false;
  return is_bytes(problem.in[0]) && problem.in[0].shape.rank() == 4 && !problem.constants[0];
}

// The taps of an output that lie inside the input.
struct Taps {
  int64_t first, last;
  Taps(const ops::WindowAxis& a, int64_t out) : first(0), last(a.kernel) {
    while (first < last && a.at(out, first) < 0) ++first;
    while (last > first && a.at(out, last - 1) >= a.in) --last;
  }
};

// Signed bytes are compared as unsigned ones, with their highest bit flipped.
template <uint8_t flip>
void max_row(const ops::Window& w, const uint8_t* plane, int64_t y, uint8_t* out) {
  const ops::WindowAxis &h = w.axis[1], &v = w.axis[2];
  const Taps rows(h, y);
  for (int64_t x = 0; x < v.out; ++x, out += block_size) {
    const Taps columns(v, x);
    uint8_t best[block_size] = {};
    for (int64_t ky = rows.first; ky < rows.last; ++ky)
      for (int64_t kx = columns.first; kx < columns.last; ++kx) {
        const uint8_t* in = plane + (h.at(y, ky) * v.in + v.at(x, kx)) * block_size;
        for (int c = 0; c < block_size; ++c) best[c] = std::max<uint8_t>(best[c], in[c] ^ flip);
      }
    for (int c = 0; c < block_size; ++c) out[c] = best[c] ^ flip;
  }
}

void run_max(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  if (args.out[0].elements() == 0) return;
  const Shape& in = args.in[0].shape();
  const ops::Window w = window_of(args, in);
  const int64_t rows = w.axis[1].out, columns = w.axis[2].out, plane = w.in_elements() * block_size;
  const auto row = args.in[0].type.dtype == DType::int8 ? max_row<0x80> : max_row<0>;
  threads.parallel(in[0] * blocks_of(in) * rows, std::max<int64_t>(1, 1024 / columns),
                   [&](int64_t begin, int64_t end, int) {
                     for (int64_t i = begin; i < end && !stop_requested(); ++i)
                       row(w, args.in[0].as<const uint8_t>() + i / rows * plane, i % rows,
                           args.out[0].as<uint8_t>() + i * columns * block_size);
                   });
}

bool accepts_mean(const CpuKernel&, const Problem& problem) {
  const Shape& shape = problem.in[0].shape;
  if (!is_bytes(problem.in[0]) || shape.rank() != 4 || problem.constants[0] || shape.elements() == 0) return false;
  for (size_t i = 1; i <= 4; ++i)
    if (!has_input(problem, i) || problem.in[i].shape.elements() != 1 || i % 2 != is_float32(problem.in[i]))
      return false;
  return AttrReader(problem.node).integer("channels_last") == 0 && shape[2] * shape[3] < (1 << 20);
}

double byte_of(const View& view) { return element_as_double(view, 0); }

// The sum is exact in 32 bits; the factors come last.
void run_mean(const CpuKernel&, const Args& args, Threads& threads) noexcept {
  const Shape& in = args.in[0].shape();
  const int64_t pixels = in[2] * in[3], blocks = blocks_of(in);
  const bool is_signed = args.in[0].type.dtype == DType::int8;
  const uint8_t flip = is_signed ? 0x80 : 0;
  const auto scale = double{*args.in[1].as<const float>()};
  const float out_scale = *args.in[3].as<const float>();
  const double zero = byte_of(args.in[2]), out_zero = byte_of(args.in[4]);
  const double low = is_signed ? -128 : 0, high = low + 255;
  threads.parallel(in[0] * blocks, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const uint8_t* x = args.in[0].as<const uint8_t>() + i * pixels * block_size;
      int32_t sums[block_size] = {};
      for (int64_t p = 0; p < pixels; ++p, x += block_size)
        for (int c = 0; c < block_size; ++c) sums[c] += x[c] ^ flip;
      const int64_t first = i % blocks * block_size, here = std::min<int64_t>(block_size, in[1] - first);
      for (int64_t c = 0; c < here; ++c) {
        const double whole = sums[c] + low * static_cast<double>(pixels) - zero * static_cast<double>(pixels);
        const auto mean = static_cast<float>(whole * scale / static_cast<double>(pixels));
        const double value = static_cast<double>(std::nearbyint(mean / out_scale)) + out_zero;
        args.out[0].as<uint8_t>()[i / blocks * in[1] + first + c] =
            static_cast<uint8_t>(static_cast<int>(std::clamp(value, low, high)));
      }
    }
  });
}

const CpuKernel kernels[] = {
    {.op = "MaxPool", .name = "pool of bytes", .in = nchw16c, .out = nchw16c, .accepts = accepts_max, .run = run_max},
    {.op = "QLinearGlobalAveragePool",
     .name = "mean of bytes",
     .domain = "com.microsoft",
     .in = nchw16c,
     .accepts = accepts_mean,
     .run = run_mean},
};

}  // namespace

extern const KernelFile quantized_pool_kernels;
const KernelFile quantized_pool_kernels{kernels};

}  // namespace tessera::cpu
