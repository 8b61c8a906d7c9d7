// com.microsoft MatMulNBits: floats times weights of 2, 4 or 8 bits with a scale per block of a row, or of the rows
// that a group index names.
#include "ops/indices.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { a_in, b_in, scales_in, zeros_in, order_in, bias_in };

struct Packing {
  int64_t k, n, bits, block, blocks, bytes;  ///< bytes of one block

  explicit Packing(const AttrReader& r)
      : k(r.integer("K")), n(r.integer("N")), bits(r.integer("bits")), block(r.integer("block_size")) {
    const bool power = block >= 16 && block <= 1 << 20 && (block & (block - 1)) == 0;
    if (k < 1 || n < 1 || (bits != 2 && bits != 4 && bits != 8) || !power)
      fail(Error::Kind::model, "weights of ", k, " x ", n, " in ", bits, " bits and blocks of ", block);
    blocks = (k - 1) / block + 1;
    bytes = block * bits / 8;
  }
  int64_t field(const uint8_t* row, int64_t i) const {
    const int64_t each = 8 / bits;
    return row[i / each] >> (i % each * bits) & ((1 << bits) - 1);
  }
};

void infer_bits(Infer& n) {
  const Packing p(n);
  Shape y = n.shape(a_in);
  if (y.empty() || y.back() != p.k) fail(Error::Kind::shape, "input ", y, " for weights of ", p.k, " rows");
  if (n.has_input(order_in) && n.shape(order_in).elements() != p.k &&
      n.shape(order_in).elements() != checked_product(p.blocks, p.block))
    fail(Error::Kind::shape, "group index ", n.shape(order_in), " for ", p.k, " rows");
  const int64_t scales = checked_product(p.n, p.blocks);
  if (n.shape(b_in).elements() != checked_product(scales, p.bytes) || n.shape(scales_in).elements() != scales)
    fail(Error::Kind::shape, "weights ", n.shape(b_in), " and scales ", n.shape(scales_in), " for ", p.n,
         " columns in ", p.blocks, " blocks");
  if (n.has_input(zeros_in)) {
    const int64_t wanted = n.in(zeros_in).dtype == DType::uint8 ? p.n * ((p.blocks * p.bits + 7) / 8) : p.n * p.blocks;
    if (n.shape(zeros_in).elements() != wanted) fail(Error::Kind::shape, "zero points ", n.shape(zeros_in));
  }
  if (n.has_input(bias_in) && !(n.shape(bias_in) == Shape{p.n})) fail(Error::Kind::shape, "bias ", n.shape(bias_in));
  y[y.size() - 1] = p.n;
  n.set(0, y);
}

void bits_reference(const Args& a) {
  const Packing p(a);
  const Read<float> x(a.in[a_in]), scales(a.in[scales_in]);
  const bool packed_zeros = a.has_in(zeros_in) && a.in[zeros_in].type.dtype == DType::uint8;
  const Read<double> zeros(a.has_in(zeros_in) && !packed_zeros ? a.in[zeros_in] : View{});
  const Read<double> bias(a.has_in(bias_in) ? a.in[bias_in] : View{});
  const Read<int64_t> order(a.has_in(order_in) ? a.in[order_in] : View{});
  const uint8_t* weights = a.in[b_in].as<const uint8_t>();
  const int64_t zero_row = (p.blocks * p.bits + 7) / 8, rows = a.in[a_in].elements() / p.k;
  Write<float> y(a.out[0]);
  RunVector<double> column(static_cast<size_t>(p.k));
  for (const int64_t c : Steps(p.n)) {
    for (int64_t i = 0; i < p.k; ++i) {
      const int64_t block = order ? checked_index(order[i], p.blocks) : i / p.block, at = c * p.blocks + block;
      double zero = static_cast<double>(int64_t{1} << (p.bits - 1));
      if (packed_zeros) zero = static_cast<double>(p.field(a.in[zeros_in].as<const uint8_t>() + c * zero_row, block));
      if (zeros) zero = zeros[at];
      const double value = static_cast<double>(p.field(weights + (c * p.blocks + i / p.block) * p.bytes, i % p.block));
      column[static_cast<size_t>(i)] = (value - zero) * static_cast<double>(scales[at]);
    }
    for (int64_t r = 0; r < rows; ++r) {
      double sum = bias ? bias[c] : 0;
      for (int64_t i = 0; i < p.k; ++i) sum += static_cast<double>(x[r * p.k + i]) * column[static_cast<size_t>(i)];
      y[r * p.n + c] = static_cast<float>(sum);
    }
  }
}

// The last axis becomes another.
bool follow_bits(reach::Step& s) {
  reach::Field field = s.in[0];
  const size_t last = field.axes.size() - 1;
  if (!make_plain(s, field, last, s.out_types[0].shape[last])) return false;
  s.out = {field};
  return true;
}

constexpr AttrDef attrs[] = {{"bits", 4},        {"block_size", 0, {}, true}, {"K", 0, {}, true},
                             {"N", 0, {}, true}, {"accuracy_level"},          {"weight_prepacked"}};
const OpDef defs[] = {{.name = "MatMulNBits",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {3, 6},
                       .types = "T=float; Z=float|uint8 : T, uint8, T, Z, int32, T -> T",
                       .attrs = attrs,
                       .infer = infer_bits,
                       .reference = bits_reference,
                       .reach = follow_bits,
                       .work = line_work}};

}  // namespace

extern const OpFile mat_mul_n_bits;
const OpFile mat_mul_n_bits{defs};

}  // namespace tessera::ops
