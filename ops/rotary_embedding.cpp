// RotaryEmbedding: pairs of features turned by an angle that depends on the position. The contrib
// operator is the same with its operands in another order.
#include "ops/numbers.h"
#include "ops/rotary.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

template <const RotaryOrder& O>
void infer_rotary(Infer& n) {
  const Shape& cos = n.shape(O.cos);
  if (cos.empty() || !(cos == n.shape(O.sin))) fail(Error::Kind::shape, "tables ", cos, " and ", n.shape(O.sin));
  const Rotary s(n, n.shape(0), cos.back());
  const bool by_position = n.has_input(O.positions);
  if (cos.rank() != (by_position ? 2 : 3)) fail(Error::Kind::shape, "tables ", cos);
  if (!by_position && (cos[0] != s.batch || cos[1] != s.sequence))
    fail(Error::Kind::shape, "tables ", cos, " for batch ", s.batch, " and ", s.sequence, " positions");
  if (by_position && n.shape(O.positions).elements() != 1 &&
      n.shape(O.positions).elements() != checked_product(s.batch, s.sequence))
    fail(Error::Kind::shape, "position ids ", n.shape(O.positions), " for batch ", s.batch, " and ", s.sequence,
         " positions");
  // What the kernel reads later, where nothing may be wrong any more.
  n.integer("interleaved");
  if (n.has("scale")) n.real("scale");
  n.set(0, n.shape(0));
}

template <const RotaryOrder& O>
void rotary_reference(const Args& a) {
  const Shape& tables = a.in[O.cos].shape();
  const Rotary s(a, a.in[0].shape(), tables.back());
  const Read<int64_t> positions(a.has_in(O.positions) ? a.in[O.positions] : View{});
  const bool interleaved = a.integer("interleaved") != 0;
  const double scale = a.has("scale") ? static_cast<double>(a.real("scale")) : 1;
  visit_real(a.in[0].type.dtype, [&]<class T>() {
    const Read<T> x(a.in[0]), cos(a.in[O.cos]), sin(a.in[O.sin]);
    Write<T> y(a.out[0]);
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t t = 0; t < s.sequence; ++t) {
        const int64_t row = s.row(b, t, positions.data(), positions.size());
        if (row < 0 || row >= Rotary::rows_of(tables))
          fail(Error::Kind::shape, "position ", row, " in tables ", tables);
        for (int64_t h = 0; h < s.heads; ++h) {
          const int64_t at = b * s.heads * s.sequence * s.depth + t * s.sequence_stride + h * s.head_stride;
          for (int64_t i = 0; i < s.turned / 2; ++i) {
            const int64_t p = at + (interleaved ? 2 * i : i), q = interleaved ? p + 1 : p + s.turned / 2;
            const double c = static_cast<double>(cos[row * tables.back() + i]),
                         d = static_cast<double>(sin[row * tables.back() + i]);
            const double u = static_cast<double>(x[p]), v = static_cast<double>(x[q]);
            y[p] = static_cast<T>((c * u - d * v) * scale);
            y[q] = static_cast<T>((d * u + c * v) * scale);
          }
          for (int64_t i = at + s.turned; i < at + s.depth; ++i) y[i] = x[i];
        }
      }
  });
}

constexpr AttrDef attrs[] = {{"interleaved", 0}, {"num_heads", 0}, {"rotary_embedding_dim", 0}};
constexpr AttrDef contrib_attrs[] = {
    {"interleaved", 0}, {"num_heads", 0}, {"rotary_embedding_dim", 0}, {"scale"}, {"is_packed_batching"}};
const OpDef defs[] = {{.name = "RotaryEmbedding",
                       .since = 23,
                       .in = {3, 4},
                       .types = "T=float : T, T, T, int64 -> T",
                       .attrs = attrs,
                       .infer = infer_rotary<standard_rotary>,
                       .reference = rotary_reference<standard_rotary>,
                       .reach = reach::not_followed},
                      {.name = "RotaryEmbedding",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {4, 4},
                       .types = "T=float : T, int64, T, T -> T",
                       .attrs = contrib_attrs,
                       .infer = infer_rotary<contrib_rotary>,
                       .reference = rotary_reference<contrib_rotary>,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile rotary_embedding;
const OpFile rotary_embedding{defs};

}  // namespace tessera::ops
