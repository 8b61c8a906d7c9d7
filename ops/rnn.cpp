// RNN: h = f(W x + R h + biases).
#include "ops/recurrent.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

constexpr Text defaults[] = {"Tanh"};

void infer_rnn(Infer& n) { infer_recurrent(n, 1, false); }

void rnn_reference(const Args& a) {
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    Recurrence<T> net(a, 1, defaults);
    const int64_t hidden = net.hidden();
    net.run(false, [&](auto& s, const RunVector<double>& pre) {
      RunVector<double> next(s.h.size());
      for (int64_t i = 0; i < hidden; ++i) {
        const double v =
            pre[static_cast<size_t>(i)] + net.recur(s.direction, i, s.h) + net.bias(s.direction, hidden + i);
        next[static_cast<size_t>(i)] = net.function(s.direction, 0)(net.clipped(v));
      }
      s.h = std::move(next);
    });
  });
}

const OpDef defs[] = {{.name = "RNN",
                       .since = 1,
                       .in = {3, 6},
                       .out = {0, 2},
                       .types = "T=float : T, T, T, T, int32, T -> T, T",
                       .attrs = List<AttrDef>(recurrent_attrs).subspan(1, recurrent_attr_count - 2),
                       .infer = infer_rnn,
                       .reference = rnn_reference,
                       .reach = reach::not_followed,
                       .work = recurrent_work}};

}  // namespace

extern const OpFile rnn;
const OpFile rnn{defs};

}  // namespace tessera::ops
