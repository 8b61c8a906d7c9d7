// com.microsoft MatMulBnb4: floats times weights of 4 bits, which stand for 16 numbers between -1 and 1 times the
// largest magnitude of their block.
#include "ops/bnb4.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "ops/work.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

struct Packing {
  int64_t k, n, block, kind;
  bool turned;  // weights are [n, k] and x has n columns
  explicit Packing(const AttrReader& r)
      : k(r.integer("K")),
        n(r.integer("N")),
        block(r.integer("block_size")),
        kind(r.integer("quant_type")),
        turned(r.integer("transB") == 0) {
    if (k < 1 || n < 1 || block < 1 || kind < 0 || kind > 1)
      fail(Error::Kind::model, "weights of ", k, " x ", n, " in blocks of ", block, ", type ", kind);
    checked_product(k, n);
  }
  int64_t rows() const { return turned ? n : k; }
  int64_t columns() const { return turned ? k : n; }
};

void infer_bnb(Infer& n) {
  const Packing p(n);
  Shape y = n.shape(0);
  if (y.empty() || y.back() != p.rows()) fail(Error::Kind::shape, "input ", y, " for weights of ", p.rows(), " rows");
  const int64_t count = p.k * p.n;
  if (n.shape(1).elements() != (count - 1) / 2 + 1 || n.shape(2).elements() != (count - 1) / p.block + 1)
    fail(Error::Kind::shape, "weights ", n.shape(1), " and magnitudes ", n.shape(2), " for ", count, " numbers");
  y[y.size() - 1] = p.columns();
  n.set(0, y);
}

// Blocks go on from one column to the next. The first of two numbers is in the high bits.
void bnb_reference(const Args& a) {
  const Packing p(a);
  const Read<double> x(a.in[0]), largest(a.in[2]);
  const uint8_t* weights = a.in[1].as<const uint8_t>();
  const int64_t length = p.rows(), columns = p.columns(), rows = a.in[0].elements() / length;
  Write<float> y(a.out[0]);
  RunVector<double> column(static_cast<size_t>(length));
  for (const int64_t c : Steps(columns)) {
    for (int64_t i = 0; i < length; ++i) {
      const int64_t at = p.turned ? i * p.k + c : c * p.k + i;
      const int code = at % 2 ? weights[at / 2] & 15 : weights[at / 2] >> 4;
      column[static_cast<size_t>(i)] = bnb4_numbers[p.kind][code] * largest[at / p.block];
    }
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0;
      for (int64_t i = 0; i < length; ++i) sum += x[r * length + i] * column[static_cast<size_t>(i)];
      y[r * columns + c] = static_cast<float>(sum);
    }
  }
}

constexpr AttrDef attrs[] = {{.name = "K", .required = true},
                             {.name = "N", .required = true},
                             {.name = "block_size", .required = true},
                             {.name = "quant_type", .required = true},
                             {"training_mode"},
                             {"transB", 1}};
const OpDef defs[] = {{.name = "MatMulBnb4",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {3, 3},
                       .types = "T=float16|bfloat16|float32 : T, uint8, T -> T",
                       .attrs = attrs,
                       .infer = infer_bnb,
                       .reference = bnb_reference,
                       .reach = reach::not_followed,
                       .work = line_work}};

}  // namespace

extern const OpFile mat_mul_bnb_4;
const OpFile mat_mul_bnb_4{defs};

}  // namespace tessera::ops
