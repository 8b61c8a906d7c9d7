// STFT: Fourier transforms of windowed, overlapping frames of a signal.
#include "ops/elements.h"
#include "ops/fourier.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { signal_in, step_in, window_in, length_in };

struct Frames {
  int64_t length, step, count, bins;
  Frames(const AttrReader& n, const Shape& signal, int64_t step, int64_t window, int64_t named) : step(step) {
    if (signal.rank() != 2 && (signal.rank() != 3 || signal[2] < 1 || signal[2] > 2))
      fail(Error::Kind::shape, "signal ", signal, " is not [batch, length, 1 or 2]");
    length = named > 0 ? named : window > 0 ? window : signal[1];
    if (step < 1 || length < 1 || length > signal[1] || (window > 0 && window != length))
      fail(Error::Kind::shape, "frames of ", length, " every ", step, " with a window of ", window, " over ", signal);
    count = (signal[1] - length) / step + 1;
    bins = n.integer("onesided") ? length / 2 + 1 : length;
  }
};

void infer_stft(Infer& n) {
  const int64_t window = n.has_input(window_in) ? n.shape(window_in).elements() : 0;
  const int64_t length = n.has_input(length_in) ? n.integer_of(length_in) : 0;
  if (n.has_input(window_in) && window == 0) fail(Error::Kind::shape, "the window is ", n.shape(window_in));
  const Frames f(n, n.shape(signal_in), n.integer_of(step_in), window, length);
  n.set(0, {n.shape(signal_in)[0], f.count, f.bins, 2});
}

void stft_reference(const Args& a) {
  const Shape& shape = a.in[signal_in].shape();
  const Read<double> x(a.in[signal_in]), window(a.has_in(window_in) ? a.in[window_in] : View{});
  const Frames f(a, shape, integer_or(a, step_in, 1), window.size(), integer_or(a, length_in, 0));
  const int64_t parts = shape.rank() == 3 ? shape[2] : 1;
  const auto roots = unit_roots(f.length, false);
  RunVector<Complex> in(static_cast<size_t>(f.length)), out(in.size());
  Write<double> y(a.out[0]);
  for (int64_t b = 0; b < shape[0]; ++b)
    for (const int64_t frame : Steps(f.count)) {
      for (int64_t i = 0; i < f.length; ++i) {
        const int64_t at = (b * shape[1] + frame * f.step + i) * parts;
        const double weight = window ? window[i] : 1;
        in[static_cast<size_t>(i)] = Complex(x[at], parts == 2 ? x[at + 1] : 0) * weight;
      }
      transform(in.data(), 1, out.data(), f.length, roots);
      for (int64_t k = 0; k < f.bins; ++k) {
        const int64_t at = ((b * f.count + frame) * f.bins + k) * 2;
        y[at] = out[static_cast<size_t>(k)].real();
        y[at + 1] = out[static_cast<size_t>(k)].imag();
      }
    }
}

constexpr AttrDef attrs[] = {{"onesided", 1}};
const OpDef defs[] = {{.name = "STFT",
                       .since = 17,
                       .in = {2, 4},
                       .types = "T=float; I=int32|int64 : T, I, T, I -> T",
                       .attrs = attrs,
                       .infer = infer_stft,
                       .reference = stft_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile stft;
const OpFile stft{defs};

}  // namespace tessera::ops
