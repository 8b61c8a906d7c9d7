#include "runtime/onnx/derivatives.h"

namespace tessera::onnx {
namespace {

#define OF_ONE(Op, since, text) \
  { #Op, since, false, "x, y, dy -> dx: zero = CastLike(0, x); one = CastLike(1, x);" text }
#define OF_TWO(Op, since, text) \
  { #Op, since, true, "a, b, y, dy -> da, db:" text }
// Sums and their kin, whose axes became an input with `since`; d and z are dy and y with the axes that they lost.
#define REDUCED(Op, since, text)                                                                            \
  {#Op, 1, false,                                                                                           \
   "x, y, dy -> dx: ?$axes kept = ReduceSum<keepdims=1>(x, $axes); !$axes kept = ReduceSum<keepdims=1>(x);" \
   "d = Reshape<allowzero=1>(dy, Shape(kept)); z = Reshape<allowzero=1>(y, Shape(kept));" text},            \
  {                                                                                                         \
#Op, since, false,                                                                                      \
        "x, axes, y, dy -> dx, _:"                                                                          \
        "kept = ReduceSum<keepdims=1, noop_with_empty_axes=$noop_with_empty_axes>(x, axes);"                \
        "d = Reshape<allowzero=1>(dy, Shape(kept)); z = Reshape<allowzero=1>(y, Shape(kept));" text         \
  }
// What elements' numbers become shows where they went.
#define NUMBERS "n = Size(x); places = Reshape<allowzero=1>(Range(0, n, 1), Shape(x));"
#define GO_BACK                                                                                                 \
  "dx = Reshape<allowzero=1>(ScatterElements<reduction=add>(Expand(CastLike(0, dy), Reshape(n, [1])), Reshape(" \
  "moved, [-1]), Reshape(dy, [-1])), Shape(x))"
#define MOVED(Op, since, names, lost, call) \
  { #Op, since, false, "x" names ", y, dy -> dx" lost ": " NUMBERS "moved = " call ";" GO_BACK }
#define RESHAPED(Op, since, names, lost) \
  { #Op, since, false, "x" names ", y, dy -> dx" lost ": dx = Reshape<allowzero=1>(dy, Shape(x))" }
#define EXTREME(Op)                                                                  \
  {                                                                                  \
#Op, 8, true,                                                                    \
        "a, b, c, d, y, dy -> da, db, dc, dd: zero = CastLike(0, dy);"               \
        "da = Where(Equal(a, y), dy, zero); ?b db = Where(Equal(b, y), dy, zero);"   \
        "?c dc = Where(Equal(c, y), dy, zero); ?d dd = Where(Equal(d, y), dy, zero)" \
  }
#define JOINED(since, names, lost)                                                            \
  {                                                                                           \
    "Split", since, false,                                                                    \
        "x" names ", p, q, r, s, dp, dq, dr, ds -> dx" lost                                   \
        ": !q dx = dp;"                                                                       \
        "?q!r dx = Concat<axis=$axis|0>(dp, dq); ?r!s dx = Concat<axis=$axis|0>(dp, dq, dr);" \
        "?s dx = Concat<axis=$axis|0>(dp, dq, dr, ds)"                                        \
  }
#define STEP(Op) OF_ONE(Op, 1, "dx = Expand(zero, Shape(x))")

constexpr Derivative table[] = {
    // Elementwise.
    OF_ONE(Abs, 1, "dx = Mul(dy, Sign(x))"),
    OF_ONE(Acos, 1, "dx = Neg(Div(dy, Sqrt(Sub(one, Mul(x, x)))))"),
    OF_ONE(Acosh, 1, "dx = Div(dy, Sqrt(Sub(Mul(x, x), one)))"),
    OF_ONE(Asin, 1, "dx = Div(dy, Sqrt(Sub(one, Mul(x, x))))"),
    OF_ONE(Asinh, 1, "dx = Div(dy, Sqrt(Add(Mul(x, x), one)))"),
    OF_ONE(Atan, 1, "dx = Div(dy, Add(one, Mul(x, x)))"),
    OF_ONE(Atanh, 1, "dx = Div(dy, Sub(one, Mul(x, x)))"),
    OF_ONE(Cast, 1, "dx = CastLike(dy, x)"),
    {"CastLike", 1, false, "x, like, y, dy -> dx, _: dx = CastLike(dy, x)"},
    STEP(Ceil),
    OF_ONE(Celu, 1, "dx = Where(Less(x, zero), Mul(dy, Exp(Div(x, CastLike($alpha|1.0, x)))), dy)"),
    OF_ONE(Clip, 1, "dx = Where(Equal(x, y), dy, zero)"),
    {"Clip", 11, true,
     "x, low, high, y, dy -> dx, dlow, dhigh: zero = CastLike(0, x); dx = Where(Equal(x, y), dy, zero);"
     "?low dlow = Where(Less(x, low), dy, zero); ?high dhigh = Where(Greater(x, high), dy, zero)"},
    OF_ONE(Cos, 1, "dx = Neg(Mul(dy, Sin(x)))"),
    OF_ONE(Cosh, 1, "dx = Mul(dy, Sinh(x))"),
    OF_ONE(Elu, 1, "dx = Where(Less(x, zero), Mul(dy, Add(y, CastLike($alpha|1.0, x))), dy)"),
    OF_ONE(Erf, 1, "dx = Mul(dy, Mul(CastLike(1.1283791670955126, x), Exp(Neg(Mul(x, x)))))"),
    OF_ONE(Exp, 1, "dx = Mul(dy, y)"),
    STEP(Floor),
    OF_ONE(Gelu, 1,
           "half = CastLike(0.5, x); slope = CastLike(0.7978845608028654, x); bend = CastLike(0.044715, x);"
           "squares = Mul(x, x); three = CastLike(3, x);"
           "!$approximate=tanh part = Erf(Mul(x, CastLike(0.7071067811865476, x)));"
           "!$approximate=tanh density = Mul(slope, Exp(Mul(squares, Neg(half))));"
           "?$approximate=tanh part = Tanh(Mul(slope, Add(x, Mul(bend, Mul(squares, x)))));"
           "?$approximate=tanh density = Mul(Sub(one, Mul(part, part)), Mul(slope, Add(one, Mul(three, Mul(bend, "
           "squares)))));"
           "dx = Mul(dy, Mul(half, Add(Add(one, part), Mul(x, density))))"),
    OF_ONE(HardSigmoid, 1, "dx = Where(And(Greater(y, zero), Less(y, one)), Mul(dy, CastLike($alpha|0.2, x)), zero)"),
    OF_ONE(HardSwish, 1,
           "three = CastLike(3, x); slope = Add(Div(x, three), CastLike(0.5, x));"
           "dx = Where(Greater(Abs(x), three), Where(Greater(x, zero), dy, zero), Mul(dy, slope))"),
    OF_ONE(Identity, 1, "dx = dy"),
    OF_ONE(LeakyRelu, 1, "dx = Where(Less(x, zero), Mul(dy, CastLike($alpha|0.01, x)), dy)"),
    OF_ONE(Log, 1, "dx = Div(dy, x)"),
    OF_ONE(Mish, 1, "t = Tanh(Softplus(x)); dx = Mul(dy, Add(t, Mul(x, Mul(Sub(one, Mul(t, t)), Sigmoid(x)))))"),
    OF_ONE(Neg, 1, "dx = Neg(dy)"),
    OF_ONE(Reciprocal, 1, "dx = Neg(Mul(dy, Mul(y, y)))"),
    OF_ONE(Relu, 1, "dx = Where(Greater(x, zero), dy, zero)"),
    STEP(Round),
    OF_ONE(Selu, 1,
           "gamma = CastLike($gamma|1.0507009873554805, x); alpha = CastLike($alpha|1.6732632423543772, x);"
           "dx = Mul(dy, Where(Greater(x, zero), gamma, Add(y, Mul(gamma, alpha))))"),
    OF_ONE(Shrink, 1, "dx = Where(Greater(Abs(x), CastLike($lambd|0.5, x)), dy, zero)"),
    OF_ONE(Sigmoid, 1, "dx = Mul(dy, Mul(y, Sub(one, y)))"),
    STEP(Sign),
    OF_ONE(Sin, 1, "dx = Mul(dy, Cos(x))"),
    OF_ONE(Sinh, 1, "dx = Mul(dy, Cosh(x))"),
    OF_ONE(Softplus, 1, "dx = Mul(dy, Sigmoid(x))"),
    OF_ONE(Softsign, 1, "s = Add(one, Abs(x)); dx = Div(dy, Mul(s, s))"),
    OF_ONE(Sqrt, 1, "dx = Div(dy, Add(y, y))"),
    OF_ONE(Swish, 1,
           "alpha = CastLike($alpha|1.0, x); s = Sigmoid(Mul(alpha, x));"
           "dx = Mul(dy, Add(s, Mul(Mul(alpha, y), Sub(one, s))))"),
    OF_ONE(Tan, 1, "dx = Mul(dy, Add(one, Mul(y, y)))"),
    OF_ONE(Tanh, 1, "dx = Mul(dy, Sub(one, Mul(y, y)))"),
    OF_ONE(ThresholdedRelu, 1, "dx = Where(Greater(x, CastLike($alpha|1.0, x)), dy, zero)"),

    // Of several numbers; before opset 7 an attribute said how they are broadcast.
    OF_TWO(Add, 7, "da = dy; db = dy"),
    OF_TWO(Sub, 7, "da = dy; db = Neg(dy)"),
    OF_TWO(Mul, 7, "da = Mul(dy, b); db = Mul(dy, a)"),
    OF_TWO(Div, 7, "da = Div(dy, b); db = Neg(Div(Mul(dy, y), b))"),
    OF_TWO(Pow, 7,
           "zero = CastLike(0, a); e = CastLike(b, a);"
           "da = Where(Equal(e, zero), zero, Mul(dy, Mul(e, Pow(a, Sub(e, CastLike(1, a))))));"
           "?db db = CastLike(Where(Greater(a, zero), Mul(dy, Mul(y, Log(a))), zero), b)"),
    OF_TWO(PRelu, 7,
           "zero = CastLike(0, a); down = Less(a, zero);"
           "da = Where(down, Mul(dy, b), dy); db = Where(down, Mul(dy, a), zero)"),
    {"Where", 1, true,
     "c, a, b, y, dy -> _, da, db: zero = CastLike(0, dy); da = Where(c, dy, zero); db = Where(c, zero, dy)"},
    {"Expand", 1, true, "x, shape, y, dy -> dx, _: dx = dy"},
    {"Sum", 8, true, "a, b, c, d, y, dy -> da, db, dc, dd: da = dy; ?b db = dy; ?c dc = dy; ?d dd = dy"},
    {"Mean", 8, true,
     "a, b, c, d, y, dy -> da, db, dc, dd: !b n = 1; ?b!c n = 2; ?c!d n = 3; ?d n = 4;"
     "da = Div(dy, CastLike(n, dy)); ?b db = da; ?c dc = da; ?d dd = da"},
    EXTREME(Max),
    EXTREME(Min),

    // Products. A vector on the left is a row, one on the right a column.
    OF_TWO(MatMul, 1,
           "one_a = Cast<to=7>(Equal(Size(Shape(a)), 1)); one_b = Cast<to=7>(Equal(Size(Shape(b)), 1));"
           "left = Reshape<allowzero=1>(a, Concat<axis=0>(Expand([1], Reshape(one_a, [1])), Shape(a)));"
           "right = Reshape<allowzero=1>(b, Concat<axis=0>(Shape(b), Expand([1], Reshape(one_b, [1]))));"
           "d = Reshape<allowzero=1>(dy, Shape(MatMul(left, right)));"
           "da = ms.FusedMatMul<transB=1>(d, right); all = ms.FusedMatMul<transA=1>(left, d);"
           "db = Reshape<allowzero=1>(all, Slice(Shape(all), [0], Reshape(Sub(Size(Shape(all)), one_b), [1])))"),
    {"Gemm", 7, true,
     "a, b, c, y, dy -> da, db, dc:"
     "!$transA!$transB da = ms.FusedMatMul<alpha=$alpha|1.0, transB=1>(dy, b);"
     "!$transA?$transB da = ms.FusedMatMul<alpha=$alpha|1.0>(dy, b);"
     "?$transA!$transB da = ms.FusedMatMul<alpha=$alpha|1.0, transB=1>(b, dy);"
     "?$transA?$transB da = ms.FusedMatMul<alpha=$alpha|1.0, transA=1, transB=1>(b, dy);"
     "!$transA!$transB db = ms.FusedMatMul<alpha=$alpha|1.0, transA=1>(a, dy);"
     "?$transA!$transB db = ms.FusedMatMul<alpha=$alpha|1.0>(a, dy);"
     "!$transA?$transB db = ms.FusedMatMul<alpha=$alpha|1.0, transA=1>(dy, a);"
     "?$transA?$transB db = ms.FusedMatMul<alpha=$alpha|1.0, transA=1, transB=1>(dy, a);"
     "?c dc = Mul(dy, CastLike($beta|1.0, dy))"},
    // Behind the last window there may be pixels that nothing looked at.
    {"Conv", 1, false,
     "x, w, b, y, dy -> dx, dw, db:"
     "extent = Shape<start=2>(x); rank = Size(Shape(x)); zeros = Expand([0], Shape(extent)); axes = Range(2, rank, 1);"
     "?$pads before, behind = Split<num_outputs=2>($pads); !$pads before = zeros;"
     "?dx all = ConvTranspose<dilations=$dilations, group=$group, strides=$strides>(dy, w);"
     "?dx longer = Pad(all, Concat<axis=0>(Expand([0], Unsqueeze(rank, [0])), [0, 0], extent));"
     "?dx found_x = Slice(longer, before, Add(before, extent), axes);"
     "?dx!$auto_pad dx = found_x; ?dx?$auto_pad=NOTSET dx = found_x;"
     "?dw turned_x = Reshape(Transpose<perm=[1, 0, 2]>(Reshape(x, [0, 0, -1])), Concat<axis=0>(Shape<start=1, "
     "end=2>(x), "
     "Shape<end=1>(x), extent));"
     "?dw turned_y = Reshape(Transpose<perm=[1, 0, 2]>(Reshape(dy, [0, 0, -1])), Concat<axis=0>(Shape<start=1, "
     "end=2>(dy), Shape<end=1>(dy), Shape<start=2>(dy)));"
     "?dw taps = Slice(Conv<dilations=$strides, pads=$pads, strides=$dilations>(turned_x, turned_y), zeros, "
     "Shape<start=2>(w), axes);"
     "?dw found_w = Reshape(Transpose<perm=[1, 0, 2]>(Reshape(taps, [0, 0, -1])), Shape(w));"
     "?dw?$group=1!$auto_pad dw = found_w; ?dw?$group=1?$auto_pad=NOTSET dw = found_w;"
     "?db db = ReduceSum<keepdims=0>(Reshape(dy, [0, 0, -1]), [0, 2])"},

    // Over axes.
    REDUCED(ReduceSum, 13, "dx = Expand(d, Shape(x))"),
    REDUCED(ReduceMean, 18, "dx = Expand(Div(d, CastLike(Div(Size(x), Size(y)), d)), Shape(x))"),
    REDUCED(ReduceMax, 18, "dx = Where(Equal(x, z), d, CastLike(0, d))"),
    REDUCED(ReduceMin, 18, "dx = Where(Equal(x, z), d, CastLike(0, d))"),
    REDUCED(ReduceL1, 18, "dx = Mul(d, Sign(x))"),
    REDUCED(ReduceL2, 18, "dx = Mul(d, Div(x, z))"),
    REDUCED(ReduceSumSquare, 18, "dx = Mul(d, Add(x, x))"),
    REDUCED(ReduceLogSum, 18, "dx = Expand(Div(d, Exp(z)), Shape(x))"),
    REDUCED(ReduceLogSumExp, 18, "dx = Mul(d, Exp(Sub(x, z)))"),
    REDUCED(ReduceProd, 18, "dx = Div(Mul(d, z), x)"),
    {"CumSum", 1, false,
     "x, axis, y, dy -> dx, _: ?$reverse dx = CumSum<exclusive=$exclusive>(dy, axis);"
     "!$reverse dx = CumSum<exclusive=$exclusive, reverse=1>(dy, axis)"},
    OF_ONE(Softmax, 1,
           "p = Flatten<axis=$axis>(y); d = Flatten<axis=$axis>(dy);"
           "dx = Reshape<allowzero=1>(Mul(p, Sub(d, ReduceSum(Mul(d, p), [1]))), Shape(x))"),
    OF_ONE(Softmax, 13, "dx = Mul(y, Sub(dy, ReduceSum(Mul(dy, y), [$axis])))"),
    OF_ONE(LogSoftmax, 1,
           "p = Exp(Flatten<axis=$axis>(y)); d = Flatten<axis=$axis>(dy);"
           "dx = Reshape<allowzero=1>(Sub(d, Mul(p, ReduceSum(d, [1]))), Shape(x))"),
    OF_ONE(LogSoftmax, 13, "dx = Sub(dy, Mul(Exp(y), ReduceSum(dy, [$axis])))"),
    {"LayerNormalization", 1, true,
     "x, scale, bias, y, mean, inverse, dy, _, _ -> dx, dscale, dbias:"
     "rank = Size(Shape(x)); axes = Range(Mod(Add($axis|-1, rank), rank), rank, 1);"
     "away = Sub(x, ReduceMean(x, axes)); spread = ReduceMean(Mul(away, away), axes);"
     "by = Reciprocal(Sqrt(Add(spread, CastLike($epsilon|1e-5, x)))); unit = Mul(away, by); d = Mul(dy, scale);"
     "dx = Mul(by, Sub(Sub(d, ReduceMean(d, axes)), Mul(unit, ReduceMean(Mul(d, unit), axes))));"
     "dscale = Mul(dy, unit); ?bias dbias = dy"},
    {"BatchNormalization", 9, false,
     "x, scale, bias, mean, var, y, dy -> dx, dscale, dbias, _, _:"
     "by = Reciprocal(Sqrt(Add(var, CastLike($epsilon|1e-5, var))));"
     "wide = Concat<axis=0>([-1], Expand([1], Reshape(Sub(Size(Shape(x)), 2), [1])));"
     "!$training_mode dx = Mul(dy, Reshape(Mul(scale, by), wide));"
     "unit = Mul(Sub(x, Reshape(mean, wide)), Reshape(by, wide));"
     "!$training_mode dscale = ReduceSum<keepdims=0>(Reshape(Mul(dy, unit), [0, 0, -1]), [0, 2]);"
     "!$training_mode dbias = ReduceSum<keepdims=0>(Reshape(dy, [0, 0, -1]), [0, 2])"},
    OF_ONE(GlobalAveragePool, 1, "dx = Expand(Div(dy, CastLike(Div(Size(x), Size(y)), dy)), Shape(x))"),
    OF_ONE(GlobalMaxPool, 1, "dx = Where(Equal(x, y), dy, zero)"),
    {"MaxPool", 1, false,
     "x, y, where, dy, _ -> dx: n = Size(x);"
     "_, moved = MaxPool<auto_pad=$auto_pad, ceil_mode=$ceil_mode, dilations=$dilations, kernel_shape=$kernel_shape, "
     "pads=$pads, strides=$strides>(x);" GO_BACK},

    // Elements that go elsewhere.
    RESHAPED(Reshape, 1, "", ""),
    RESHAPED(Reshape, 5, ", shape", ", _"),
    RESHAPED(Flatten, 1, "", ""),
    RESHAPED(Squeeze, 1, "", ""),
    RESHAPED(Squeeze, 13, ", axes", ", _"),
    RESHAPED(Unsqueeze, 1, "", ""),
    RESHAPED(Unsqueeze, 13, ", axes", ", _"),
    OF_ONE(Transpose, 1, "?$perm dx = Transpose<perm=$perm'>(dy); !$perm dx = Transpose(dy)"),
    {"Trilu", 1, false, "x, k, y, dy -> dx, _: dx = Trilu<upper=$upper>(dy, k)"},
    {"Concat", 4, false,
     "a, b, c, d, y, dy -> da, db, dc, dd:"
     "end_a = Gather(Shape(a), [$axis]); da = Slice(dy, [0], end_a, [$axis]);"
     "?b end_b = Add(end_a, Gather(Shape(b), [$axis])); ?b db = Slice(dy, end_a, end_b, [$axis]);"
     "?c end_c = Add(end_b, Gather(Shape(c), [$axis])); ?c dc = Slice(dy, end_b, end_c, [$axis]);"
     "?d end_d = Add(end_c, Gather(Shape(d), [$axis])); ?d dd = Slice(dy, end_c, end_d, [$axis])"},
    JOINED(2, "", ""),
    JOINED(13, ", parts", ", _"),
    {"Slice", 1, false,
     "x, y, dy -> dx: " NUMBERS "?$axes moved = Slice(places, $starts, $ends, $axes);"
     "!$axes moved = Slice(places, $starts, $ends);" GO_BACK},
    MOVED(Slice, 10, ", starts, ends, axes, steps", ", _, _, _, _", "Slice(places, starts, ends, axes, steps)"),
    MOVED(Gather, 1, ", indices", ", _", "Gather<axis=$axis>(places, indices)"),
    MOVED(GatherElements, 11, ", indices", ", _", "GatherElements<axis=$axis>(places, indices)"),
    MOVED(GatherND, 11, ", indices", ", _", "GatherND<batch_dims=$batch_dims>(places, indices)"),
    MOVED(Tile, 6, ", repeats", ", _", "Tile(places, repeats)"),
    MOVED(DepthToSpace, 1, "", "", "DepthToSpace<blocksize=$blocksize, mode=$mode>(places)"),
    MOVED(SpaceToDepth, 1, "", "", "SpaceToDepth<blocksize=$blocksize>(places)"),
    {"TopK", 10, false,
     "x, k, y, where, dy, _ -> dx, _: " NUMBERS "moved = GatherElements<axis=$axis|-1>(places, where);" GO_BACK},
    // Numbers from one on; what is padded goes to the element before them.
    {"Pad", 11, false,
     "x, pads, value, axes, y, dy -> dx, _, dvalue, _:"
     "n = Size(x); places = Reshape<allowzero=1>(Range(1, Add(n, 1), 1), Shape(x));"
     "?axes moved = Pad<mode=$mode>(places, pads, 0, axes); !axes moved = Pad<mode=$mode>(places, pads, 0);"
     "all = ScatterElements<reduction=add>(Expand(CastLike(0, dy), Reshape(Add(n, 1), [1])), Reshape(moved, [-1]), "
     "Reshape(dy, [-1]));"
     "dx = Reshape<allowzero=1>(Slice(all, [1], [9223372036854775807]), Shape(x));"
     "?value dvalue = Reshape(Slice(all, [0], [1]), Shape(value))"},
};

#undef OF_ONE
#undef OF_TWO
#undef REDUCED
#undef NUMBERS
#undef GO_BACK
#undef MOVED
#undef RESHAPED
#undef EXTREME
#undef JOINED
#undef STEP

}  // namespace

List<Derivative> derivatives() { return table; }

}  // namespace tessera::onnx
