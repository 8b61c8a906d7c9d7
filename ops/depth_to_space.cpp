// DepthToSpace: blocks of channels become squares of pixels.
#include <array>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile depth_to_space;
namespace {

void infer_depth_to_space(Infer& infer) {
  const Shape& in = infer.shape(0);
  const int64_t block = infer.integer("blocksize");
  if (in.size() != 4) fail(Error::Kind::shape, "needs four axes, got ", in);
  if (block < 1 || block > 1 << 20 || in[1] % (block * block) != 0)
    fail(Error::Kind::shape, in[1], " channels do not make blocks of ", block);
  infer.set(0, {in[0], in[1] / (block * block), checked_product(in[2], block), checked_product(in[3], block)});
}

// [n, c, block, block, h, w] read as [n, c, h, block, w, block]; in mode DCR the blocks come before c.
void reference(const Args& args) {
  const Shape& in = args.in[0].shape();
  const int64_t b = args.integer("blocksize"), c = in[1] / (b * b), plane = in[2] * in[3];
  const bool crd = args.text("mode") == "CRD";
  const int64_t channel = crd ? b * b * plane : plane, cell = crd ? plane : c * plane;
  const Shape strides{in[1] * plane, channel, in[3], b * cell, 1, cell};
  copy_strided(args.in[0], 0, strides, {{args.out[0].type.dtype, {in[0], c, in[2], b, in[3], b}}, args.out[0].data});
}

bool follow_depth_to_space(reach::Step& s) {
  const Shape& x = s.in_types[0].shape;
  const int64_t b = s.integer("blocksize"), depth = x[1] / (b * b);
  if (s.text("mode") == "CRD")
    return rearrange(s, {x[0], depth, b, b, x[2], x[3]}, std::array<int64_t, 6>{0, 1, 4, 2, 5, 3});
  return rearrange(s, {x[0], b, b, depth, x[2], x[3]}, std::array<int64_t, 6>{0, 3, 4, 1, 5, 2});
}

constexpr AttrDef attrs[] = {{.name = "blocksize", .required = true}, {"mode", 0, "DCR", false, 11}};
const OpDef defs[] = {{"DepthToSpace",
                       "",
                       1,
                       {1, 1},
                       {1, 1},
                       "T=all : T -> T",
                       attrs,
                       infer_depth_to_space,
                       reference,
                       follow_depth_to_space}};

}  // namespace
const OpFile depth_to_space{defs};
}  // namespace tessera::ops
