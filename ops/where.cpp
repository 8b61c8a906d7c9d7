// Where: elements of one tensor or another, as a condition says.
#include "ops/walk.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile where;
namespace {

void infer_where(Infer& infer) { infer.set(0, broadcast(infer.shape(0), broadcast(infer.shape(1), infer.shape(2)))); }

void reference(const Args& args) {
  const View& out = args.out[0];
  const auto strides = [&](size_t i) { return broadcast_strides(args.in[i].shape(), out.shape()); };
  visit_bits(out.type.dtype, [&]<class T>() {
    T* to = out.as<T>();
    walk(out.shape(), std::array{strides(0), strides(1), strides(2)},
         [&](const auto& at, const auto& step, int64_t count) {
           const bool* condition = args.in[0].as<bool>() + at[0];
           const T* x = args.in[1].as<T>() + at[1];
           const T* y = args.in[2].as<T>() + at[2];
           if (step[0] == 1 && step[1] == 1 && step[2] == 1) {
             for (int64_t i = 0; i < count; ++i) to[i] = condition[i] ? x[i] : y[i];
             to += count;
             return;
           }
           for (int64_t i = 0; i < count; ++i) *to++ = condition[i * step[0]] ? x[i * step[1]] : y[i * step[2]];
         });
  });
}

const OpDef defs[] = {
    {"Where", "", 9, {3, 3}, {1, 1}, "T=all : boolean, T, T -> T", {}, infer_where, reference, reach::pointwise}};

}  // namespace
const OpFile where{defs};
}  // namespace tessera::ops
