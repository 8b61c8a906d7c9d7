// com.microsoft GatherBlockQuantized: rows of a quantized tensor, with a scale per block along an axis, as floats.
#include "ops/move.h"
#include "ops/numbers.h"
#include "ops/steps.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

enum In { data_in, indices_in, scales_in, zeros_in };

// Bytes hold several numbers where `bits` says so: then the last axis is as many times as long as it says.
struct Blocks {
  Shape shape;  ///< of the numbers
  int gather, quantized;
  int64_t block, bits;

  Blocks(const AttrReader& n, const Type& data)
      : shape(data.shape), block(n.integer("block_size")), bits(bits_of(data.dtype)) {
    if (data.dtype == DType::uint8) bits = n.integer("bits");
    if (bits != 4 && bits != 8 && !(bits == 2 && data.dtype == DType::uint8))
      fail(Error::Kind::model, "numbers of ", bits, " bits");
    if (block < 16 || (block & (block - 1))) fail(Error::Kind::model, "attribute \"block_size\" is ", block);
    gather = normalize_axis(n.integer("gather_axis"), shape.rank());
    quantized = normalize_axis(n.integer("quantize_axis"), shape.rank());
    if (data.dtype != DType::uint8 || bits == 8) return;
    if (quantized != shape.rank() - 1 || gather == quantized)
      fail(Error::Kind::unsupported, "bytes of several numbers that are not quantized along the last axis");
    shape[shape.size() - 1] = checked_product(shape.back(), 8 / bits);
  }
  Shape scales() const {
    Shape s = shape;
    int64_t& extent = s[static_cast<size_t>(quantized)];
    extent = extent / block + (extent % block != 0);
    return s;
  }
};

void infer_gather(Infer& n) {
  const Blocks b(n, n.in(data_in));
  const Shape wanted = b.scales();
  if (!(n.shape(scales_in) == wanted))
    fail(Error::Kind::shape, "scales ", n.shape(scales_in), ", not ", wanted, ", for ", b.shape);
  if (n.has_input(zeros_in)) {
    Shape zeros = wanted;
    if (n.in(data_in).dtype == DType::uint8) zeros[zeros.size() - 1] = (zeros.back() * b.bits + 7) / 8;
    if (!(n.shape(zeros_in) == zeros)) fail(Error::Kind::shape, "zero points ", n.shape(zeros_in), ", not ", zeros);
  }
  Shape y;
  for (size_t i = 0; i < b.shape.size(); ++i) {
    if (i != static_cast<size_t>(b.gather)) {
      y.push_back(b.shape[i]);
      continue;
    }
    for (const int64_t extent : n.shape(indices_in)) y.push_back(extent);
  }
  n.set(0, n.in(scales_in).dtype, y);
}

void gather_reference(const Args& a) {
  const Type& type = a.in[data_in].type;
  const Blocks b(a, type);
  const Read<double> scales(a.in[scales_in]);
  // Number i of rows of `width`, which begin at whole bytes.
  const auto number = [&](const View& from, int64_t i, int64_t width) {
    if (type.dtype != DType::uint8) return element_as_double(from, i);
    const int64_t at = i % width, each = 8 / b.bits;
    const uint8_t byte = from.as<const uint8_t>()[i / width * ((width + each - 1) / each) + at / each];
    return static_cast<double>(byte >> (at % each * b.bits) & ((1 << b.bits) - 1));
  };
  const Around at(b.shape, b.gather), along(b.shape, b.quantized);
  const int64_t blocks = along.extent / b.block + (along.extent % b.block != 0), width = b.shape.back();
  const Shape scale_shape = b.scales();
  const int64_t count = a.in[indices_in].elements();
  Write<float> y(a.out[0]);
  for (const int64_t o : Steps(at.outer))
    for (int64_t k = 0; k < count; ++k) {
      int64_t row = index_at(a.in[indices_in], k);
      if (row < -at.extent || row >= at.extent)
        fail(Error::Kind::model, "index ", row, " is outside of an axis of ", at.extent);
      row += row < 0 ? at.extent : 0;
      for (int64_t i = 0; i < at.inner; ++i) {
        const int64_t from = (o * at.extent + row) * at.inner + i;
        const int64_t line = from / along.inner;
        const int64_t scale =
            (line / along.extent * blocks + line % along.extent / b.block) * along.inner + from % along.inner;
        double zero = type.dtype == DType::uint8 ? static_cast<double>(int64_t{1} << (b.bits - 1)) : 0;
        if (a.has_in(zeros_in)) zero = number(a.in[zeros_in], scale, scale_shape.back());
        const double value = number(a.in[data_in], from, width) - zero;
        y[(o * count + k) * at.inner + i] = static_cast<float>(value * scales[scale]);
      }
    }
}

constexpr AttrDef attrs[] = {{"gather_axis", 0}, {"quantize_axis", 1}, {"block_size", 128}, {"bits", 4}};
const OpDef defs[] = {{.name = "GatherBlockQuantized",
                       .domain = "com.microsoft",
                       .since = 1,
                       .in = {3, 4},
                       .types = "D=int4|uint4|uint8; I=int32|int64; T=float16|bfloat16|float32 : D, I, T, D -> T",
                       .attrs = attrs,
                       .infer = infer_gather,
                       .reference = gather_reference,
                       .reach = reach::not_followed}};

}  // namespace

extern const OpFile gather_block_quantized;
const OpFile gather_block_quantized{defs};

}  // namespace tessera::ops
