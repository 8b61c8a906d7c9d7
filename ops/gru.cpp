// GRU: update gate z, reset gate r, candidate h, in this order in W, R and B.
#include "ops/recurrent.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

constexpr Text defaults[] = {"Sigmoid", "Tanh"};

void infer_gru(Infer& n) { infer_recurrent(n, 3, false); }

void gru_reference(const Args& a) {
  const bool linear_first = a.integer("linear_before_reset") != 0;
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    Recurrence<T> net(a, 3, defaults);
    const int64_t hidden = net.hidden();
    RunVector<double> z(static_cast<size_t>(hidden)), r(z), masked(z), next(z);
    net.run(false, [&](auto& s, const RunVector<double>& pre) {
      const int64_t d = s.direction;
      const Activation& f = net.function(d, 0);
      const auto gate = [&](int64_t row) {
        return f(net.clipped(pre[static_cast<size_t>(row)] + net.recur(d, row, s.h) + net.bias(d, 3 * hidden + row)));
      };
      for (int64_t i = 0; i < hidden; ++i) {
        const auto at = static_cast<size_t>(i);
        z[at] = gate(i);
        r[at] = gate(hidden + i);
        masked[at] = r[at] * s.h[at];
      }
      for (int64_t i = 0; i < hidden; ++i) {
        const auto at = static_cast<size_t>(i);
        const int64_t row = 2 * hidden + i;
        const double bias = net.bias(d, 3 * hidden + row);
        const double recurrent =
            linear_first ? r[at] * (net.recur(d, row, s.h) + bias) : net.recur(d, row, masked) + bias;
        const double candidate = net.function(d, 1)(net.clipped(pre[static_cast<size_t>(row)] + recurrent));
        next[at] = (1 - z[at]) * candidate + z[at] * s.h[at];
      }
      s.h = next;
    });
  });
}

const OpDef defs[] = {{.name = "GRU",
                       .since = 1,
                       .in = {3, 6},
                       .out = {0, 2},
                       .types = "T=float : T, T, T, T, int32, T -> T, T",
                       .attrs = List<AttrDef>(recurrent_attrs).subspan(1),
                       .infer = infer_gru,
                       .reference = gru_reference,
                       .reach = reach::not_followed,
                       .work = recurrent_work}};

}  // namespace

extern const OpFile gru;
const OpFile gru{defs};

}  // namespace tessera::ops
