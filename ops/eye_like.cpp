// EyeLike: ones on a diagonal, in the shape of the input.
#include <algorithm>

#include "ops/move.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile eye_like;
namespace {

void infer_eye_like(Infer& infer) {
  if (infer.rank(0) != 2) fail(Error::Kind::shape, "needs two axes, got ", infer.shape(0));
  const int64_t wanted = infer.integer("dtype");
  if (wanted <= 0 || wanted >= dtype_count || wanted == static_cast<int64_t>(DType::string)) {
    if (infer.has("dtype")) fail(Error::Kind::model, "data type ", wanted, " is not known or no number");
    return infer.set(0, infer.in(0).dtype, infer.shape(0));
  }
  infer.set(0, static_cast<DType>(wanted), infer.shape(0));
}

void reference(const Args& args) {
  const View& out = args.out[0];
  const int64_t height = out.shape()[0], width = out.shape()[1], k = args.integer("k");
  std::memset(out.data, 0, static_cast<size_t>(out.type.bytes()));
  if (k <= -height || k >= width) return;
  for (int64_t row = std::max<int64_t>(-k, 0); row < std::min(height, width - k); ++row)
    set_element(out, row * width + row + k, 1);
}

constexpr AttrDef attrs[] = {{"dtype"}, {"k"}};
const OpDef defs[] = {
    {"EyeLike", "", 9, {1, 1}, {1, 1}, "T=numeric|boolean : T", attrs, infer_eye_like, reference, reach::source}};

}  // namespace
const OpFile eye_like{defs};
}  // namespace tessera::ops
