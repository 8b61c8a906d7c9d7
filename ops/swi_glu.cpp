// SwiGLU: a * sigmoid(alpha * a) * b.
#include "ops/indices.h"
#include "ops/numbers.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_glu(Infer& n) { n.set(0, broadcast(n.shape(0), n.shape(1))); }

void glu_reference(const Args& g) {
  const Shape& shape = g.out[0].shape();
  const double alpha = static_cast<double>(g.real("alpha"));
  const auto a_at = broadcast_offsets(g.in[0].shape(), shape), b_at = broadcast_offsets(g.in[1].shape(), shape);
  visit_real(g.in[0].type.dtype, [&]<class T>() {
    const Read<T> a(g.in[0]), b(g.in[1]);
    Write<T> y(g.out[0]);
    for (size_t i = 0; i < a_at.size(); ++i) {
      const double v = static_cast<double>(a[a_at[i]]);
      y[static_cast<int64_t>(i)] = static_cast<T>(v / (1 + std::exp(-alpha * v)) * static_cast<double>(b[b_at[i]]));
    }
  });
}

constexpr AttrDef attrs[] = {{"alpha", 1}};
const OpDef defs[] = {{.name = "SwiGLU",
                       .since = 28,
                       .in = {2, 2},
                       .types = "T=float : T, T -> T",
                       .attrs = attrs,
                       .infer = infer_glu,
                       .reference = glu_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile swi_glu;
const OpFile swi_glu{defs};

}  // namespace tessera::ops
