// LSTM: gates input, output, forget, cell, in this order in W, R and B; peepholes input, output, forget.
#include "ops/recurrent.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

constexpr Text defaults[] = {"Sigmoid", "Tanh", "Tanh"};

void infer_lstm(Infer& n) { infer_recurrent(n, 4, true); }

void lstm_reference(const Args& a) {
  const bool coupled = a.integer("input_forget") != 0;
  const Read<double> peepholes(a.has_in(rnn_peepholes) ? a.in[rnn_peepholes] : View{});
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    Recurrence<T> net(a, 4, defaults);
    const int64_t hidden = net.hidden();
    RunVector<double> sums(static_cast<size_t>(4 * hidden));
    net.run(true, [&](auto& s, const RunVector<double>& pre) {
      const int64_t d = s.direction;
      const Activation &f = net.function(d, 0), &g = net.function(d, 1), &h = net.function(d, 2);
      for (int64_t row = 0; row < 4 * hidden; ++row)
        sums[static_cast<size_t>(row)] =
            pre[static_cast<size_t>(row)] + net.recur(d, row, s.h) + net.bias(d, 4 * hidden + row);
      const auto peep = [&](int64_t which, int64_t i) {
        return peepholes ? peepholes[(d * 3 + which) * hidden + i] : 0;
      };
      for (int64_t i = 0; i < hidden; ++i) {
        const auto at = static_cast<size_t>(i);
        const auto sum = [&](int64_t gate) { return sums[static_cast<size_t>(gate * hidden + i)]; };
        const double in = f(net.clipped(sum(0) + peep(0, i) * s.c[at]));
        const double forget = coupled ? 1 - in : f(net.clipped(sum(2) + peep(2, i) * s.c[at]));
        const double cell = forget * s.c[at] + in * g(net.clipped(sum(3)));
        const double out = f(net.clipped(sum(1) + peep(1, i) * cell));
        s.c[at] = cell;
        s.h[at] = out * h(cell);
      }
    });
  });
}

const OpDef defs[] = {{.name = "LSTM",
                       .since = 1,
                       .in = {3, 8},
                       .out = {0, 3},
                       .types = "T=float : T, T, T, T, int32, T, T, T -> T, T, T",
                       .attrs = List<AttrDef>(recurrent_attrs).first(recurrent_attr_count - 1),
                       .infer = infer_lstm,
                       .reference = lstm_reference,
                       .reach = reach::not_followed,
                       .work = recurrent_work}};

}  // namespace

extern const OpFile lstm;
const OpFile lstm{defs};

}  // namespace tessera::ops
