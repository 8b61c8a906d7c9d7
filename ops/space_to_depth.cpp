// SpaceToDepth: squares of pixels become blocks of channels.
#include <array>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile space_to_depth;
namespace {

void infer_space_to_depth(Infer& infer) {
  const Shape& in = infer.shape(0);
  const int64_t block = infer.integer("blocksize");
  if (in.size() != 4) fail(Error::Kind::shape, "needs four axes, got ", in);
  if (block < 1 || block > 1 << 20 || in[2] % block || in[3] % block)
    fail(Error::Kind::shape, in, " does not make blocks of ", block);
  infer.set(0, {in[0], checked_product(in[1], block, block), in[2] / block, in[3] / block});
}

// [n, c, h, block, w, block] read as [n, block, block, c, h, w].
void reference(const Args& args) {
  const Shape& in = args.in[0].shape();
  const int64_t b = args.integer("blocksize"), c = in[1], plane = in[2] * in[3];
  const Shape strides{c * plane, in[3], 1, plane, b * in[3], b};
  copy_strided(args.in[0], 0, strides,
               {{args.out[0].type.dtype, {in[0], b, b, c, in[2] / b, in[3] / b}}, args.out[0].data});
}

bool follow_space_to_depth(reach::Step& s) {
  const Shape& x = s.in_types[0].shape;
  const int64_t b = s.integer("blocksize");
  return rearrange(s, {x[0], x[1], x[2] / b, b, x[3] / b, b}, std::array<int64_t, 6>{0, 3, 5, 1, 2, 4});
}

constexpr AttrDef attrs[] = {{.name = "blocksize", .required = true}};
const OpDef defs[] = {{"SpaceToDepth",
                       "",
                       1,
                       {1, 1},
                       {1, 1},
                       "T=all : T -> T",
                       attrs,
                       infer_space_to_depth,
                       reference,
                       follow_space_to_depth}};

}  // namespace
const OpFile space_to_depth{defs};
}  // namespace tessera::ops
