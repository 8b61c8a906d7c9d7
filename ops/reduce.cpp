// ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceProd, ReduceL1, ReduceL2, ReduceLogSum,
// ReduceLogSumExp and ReduceSumSquare: one number for all elements along some axes. Each has a struct that
// says how an element is joined to what came before, and what becomes of that in the end.
#include <algorithm>

#include "ops/convert.h"
#include "ops/elements.h"
#include "ops/elementwise_math.h"
#include "ops/reduction.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile reduce;
namespace {

void set_reduced(Infer& infer, List<int64_t> named) {
  if (named.size() > infer.shape(0).size())
    fail(Error::Kind::shape, named.size(), " axes of a tensor ", infer.shape(0));
  const ReducedAxes axes = reduced_axes(infer, named, infer.rank(0));
  Shape shape;
  for (size_t i = 0; i < axes.reduced.size(); ++i) {
    if (!axes.reduced[i])
      shape.push_back(infer.shape(0)[i]);
    else if (axes.keep)
      shape.push_back(1);
  }
  infer.set(0, shape);
}

void infer_attribute(Infer& infer) { set_reduced(infer, infer.integers("axes")); }

void infer_input(Infer& infer) {
  if (!infer.has_input(1)) return infer_attribute(infer);
  set_reduced(infer, infer.integers_of(1));
}

// --- How each operator joins. N is double, or a wide integer that wraps. ----------------------

template <class N>
constexpr bool is_real = std::is_same_v<N, double>;

template <class N>
double as_real(N x) {
  if constexpr (is_real<N>)
    return x;
  else
    return static_cast<double>(x.v);
}

template <class N>
N from_real(double x) {
  if constexpr (is_real<N>)
    return x;
  else
    return N(elementwise::math::truncated<decltype(N::v)>(x));
}

template <class N>
N lowest() {
  if constexpr (is_real<N>)
    return -std::numeric_limits<double>::infinity();
  else
    return N(std::numeric_limits<decltype(N::v)>::min());
}

template <class N>
N highest() {
  if constexpr (is_real<N>)
    return std::numeric_limits<double>::infinity();
  else
    return N(std::numeric_limits<decltype(N::v)>::max());
}

struct Sum {
  template <class N>
  static N start() {
    return N(0);
  }
  template <class N>
  static N join(N so_far, N x) {
    return so_far + x;
  }
  template <class N>
  static N finish(N x, int64_t) {
    return x;
  }
};
struct Mean : Sum {
  template <class N>
  static N finish(N x, int64_t count) {
    return x / N(count);
  }
};
struct Prod : Sum {
  template <class N>
  static N start() {
    return N(1);
  }
  template <class N>
  static N join(N so_far, N x) {
    return so_far * x;
  }
};
struct SumSquare : Sum {
  template <class N>
  static N join(N so_far, N x) {
    return so_far + x * x;
  }
};
struct L1 : Sum {
  template <class N>
  static N join(N so_far, N x) {
    return so_far + elementwise::math::abs(x);
  }
};
struct L2 : SumSquare {
  template <class N>
  static N finish(N x, int64_t) {
    return from_real<N>(std::sqrt(as_real(x)));
  }
};
struct LogSum : Sum {
  template <class N>
  static N finish(N x, int64_t) {
    return from_real<N>(std::log(as_real(x)));
  }
};
// NaN wins over every number.
struct Max : Sum {
  template <class N>
  static N start() {
    return lowest<N>();
  }
  template <class N>
  static N join(N so_far, N x) {
    return so_far < x || x != x ? x : so_far;
  }
};
struct Min : Sum {
  template <class N>
  static N start() {
    return highest<N>();
  }
  template <class N>
  static N join(N so_far, N x) {
    return x < so_far || x != x ? x : so_far;
  }
};

// --- The loop ---------------------------------------------------------------------------------

// Strides of the output along the input's axes: 0 along those that are reduced.
Shape kept_strides(const Shape& shape, const ReducedAxes& axes) {
  Shape strides(shape.size(), 0);
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (axes.reduced[i]) continue;
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

// Elements as T, from the first to the last: those of another type are converted a stretch at a time.
template <class T>
class Stretches {
 public:
  static constexpr int64_t most = 4096;
  explicit Stretches(const View& in) : in_(in), direct_(in.type.dtype == dtype) {
    if (!direct_) own_.resize(most);
  }
  /// At most `most` elements from the i-th one on.
  const T* at(int64_t i, int64_t count) {
    if (direct_) return in_.as<T>() + i;
    if (i < begin_ || i + count > end_) {
      check_cancelled();
      begin_ = i;
      end_ = std::min(in_.elements(), i + most);
      const Shape shape{end_ - begin_};
      convert({{in_.type.dtype, shape}, in_.data + i * (bits_of(in_.type.dtype) / 8)},
              {{dtype, shape}, reinterpret_cast<std::byte*>(own_.data())}, {});
    }
    return own_.data() + (i - begin_);
  }

 private:
  static constexpr DType dtype = std::is_same_v<T, float>     ? DType::float32
                                 : std::is_same_v<T, double>  ? DType::float64
                                 : std::is_same_v<T, int64_t> ? DType::int64
                                                              : DType::uint64;
  View in_;
  bool direct_;
  RunVector<T> own_;
  int64_t begin_ = 0, end_ = 0;
};

// Joins element by element: read(x, kept) is what is joined for input x in output place kept.
template <class Op, class N, class T, class Read>
RunVector<N> join_all(const View& in, const Shape& kept, size_t places, const Read& read) {
  RunVector<N> results(places, Op::template start<N>());
  Stretches<T> stretches(in);
  // The input's elements come in their order.
  walk(in.shape(), std::array{strides_of(in.shape()), kept}, [&](const auto& at, const auto& step, int64_t count) {
    N* to = results.data() + at[1];
    for (int64_t begin = 0; begin < count; begin += stretches.most) {
      const int64_t n = std::min(count - begin, stretches.most);
      const T* x = stretches.at(at[0] + begin, n);
      if (step[1]) {
        for (int64_t i = 0; i < n; ++i, to += step[1]) *to = Op::join(*to, read(N(x[i]), to - results.data()));
      } else {
        N so_far = *to;
        for (int64_t i = 0; i < n; ++i) so_far = Op::join(so_far, read(N(x[i]), at[1]));
        *to = so_far;
      }
    }
  });
  return results;
}

// What a loop needs.
struct Task {
  View in;
  Shape kept;
  View out;       // of double, int64 or uint64
  int64_t count;  // elements per result
};

template <class Op, class N, class T>
void run(const Task& task) {
  const auto places = static_cast<size_t>(task.out.elements());
  const auto results = join_all<Op, N, T>(task.in, task.kept, places, [](N x, int64_t) { return x; });
  for (size_t i = 0; i < places; ++i) {
    const N result = Op::finish(results[i], task.count);
    if constexpr (is_real<N>)
      task.out.as<double>()[i] = result;
    else
      task.out.as<decltype(N::v)>()[i] = result.v;
  }
}

// log(sum(exp(x))), with the largest x taken out so that nothing overflows.
template <class T>
void run_log_sum_exp(const Task& task) {
  const auto places = static_cast<size_t>(task.out.elements());
  const auto largest = join_all<Max, double, T>(task.in, task.kept, places, [](double x, int64_t) { return x; });
  const auto offset = [&](size_t i) { return std::isfinite(largest[i]) ? largest[i] : 0; };
  const auto sums = join_all<Sum, double, T>(
      task.in, task.kept, places, [&](double x, int64_t i) { return std::exp(x - offset(static_cast<size_t>(i))); });
  for (size_t i = 0; i < places; ++i) task.out.as<double>()[i] = std::log(sums[i]) + offset(i);
}

// Calls f.template operator()<N, T>() for the input as elements of T: float as it is, others as the widest type of
// their kind.
template <class F>
void with_wide(const Args& args, const ReducedAxes& axes, bool real, const F& f) {
  using elementwise::math::Int;
  const View &in = args.in[0], &out = args.out[0];
  const auto kind = real ? convert_detail::Wide::real : convert_detail::kind_of(in.type.dtype);
  const DType wide = kind == convert_detail::Wide::real      ? DType::float64
                     : kind == convert_detail::Wide::natural ? DType::uint64
                                                             : DType::int64;
  const Tensor result = Tensor::make({wide, out.shape()});
  Task task{in, kept_strides(in.shape(), axes), result.view(), 1};
  for (size_t i = 0; i < axes.reduced.size(); ++i)
    if (axes.reduced[i]) task.count *= in.shape()[i];
  if (in.type.dtype == DType::float32)
    f.template operator()<double, float>(task);
  else if (wide == DType::float64)
    f.template operator()<double, double>(task);
  else if (wide == DType::int64)
    f.template operator()<Int<int64_t>, int64_t>(task);
  else
    f.template operator()<Int<uint64_t>, uint64_t>(task);
  convert(result.view(), out, {});
}

ReducedAxes axes_of(const Args& args) {
  const int rank = args.in[0].shape().rank();
  if (!args.has_in(1)) return reduced_axes(args, args.integers("axes"), rank);
  return reduced_axes(args, as_integers(args.in[1]), rank);
}

// The extremes of nothing are those of the type, not of the wide type that they are found in.
void fill_extreme(const View& out, bool highest_of) {
  visit(out.type.dtype, [&]<class T>() {
    T value;
    if constexpr (std::is_integral_v<T>)
      value = highest_of ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min();
    else
      value = T(highest_of ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity());
    std::fill_n(out.as<T>(), out.elements(), value);
  });
}

template <class Op>
void reference(const Args& args) {
  if constexpr (std::is_same_v<Op, Max> || std::is_same_v<Op, Min>)
    if (args.in[0].elements() == 0) return fill_extreme(args.out[0], std::is_same_v<Op, Min>);
  with_wide(args, axes_of(args), false, []<class N, class T>(const Task& task) { run<Op, N, T>(task); });
}

void log_sum_exp(const Args& args) {
  with_wide(args, axes_of(args), true, []<class N, class T>(const Task& task) {
    if constexpr (is_real<N>) run_log_sum_exp<T>(task);
  });
}

template <reach::Pooled pooled>
bool follow_reduce(reach::Step& s) {
  std::vector<int64_t> axes;
  if (!s.integers_of(1, "axes", axes)) return false;
  s.pooled = pooled;
  return drop_axes(s, reduced_axes(s, axes, s.rank(0)).reduced);
}

// --- Definitions ------------------------------------------------------------------------------

using Follow = bool(reach::Step&);
constexpr AttrDef old_attrs[] = {{"keepdims", 1}, {"axes"}}, attrs[] = {{"keepdims", 1}, {"noop_with_empty_axes", 0}};
constexpr Text types = "T=numeric|boolean : T, int64 -> T";

constexpr OpDef by_attribute(Text name, void (*run)(const Args&),
                             Follow* follow = follow_reduce<reach::Pooled::other>) {
  return {name, "", 1, {1, 1}, {1, 1}, types, old_attrs, infer_attribute, run, follow};
}
constexpr OpDef by_input(Text name, void (*run)(const Args&), int since = 18,
                         Follow* follow = follow_reduce<reach::Pooled::other>) {
  return {name, "", since, {1, 2}, {1, 1}, types, attrs, infer_input, run, follow};
}

const OpDef defs[] = {
    by_attribute("ReduceSum", reference<Sum>, follow_reduce<reach::Pooled::sum>),
    by_input("ReduceSum", reference<Sum>, 13, follow_reduce<reach::Pooled::sum>),
    by_attribute("ReduceMean", reference<Mean>, follow_reduce<reach::Pooled::mean>),
    by_input("ReduceMean", reference<Mean>, 18, follow_reduce<reach::Pooled::mean>),
    by_attribute("ReduceMax", reference<Max>, follow_reduce<reach::Pooled::largest>),
    by_input("ReduceMax", reference<Max>, 18, follow_reduce<reach::Pooled::largest>),
    by_attribute("ReduceMin", reference<Min>),
    by_input("ReduceMin", reference<Min>),
    by_attribute("ReduceProd", reference<Prod>),
    by_input("ReduceProd", reference<Prod>),
    by_attribute("ReduceSumSquare", reference<SumSquare>),
    by_input("ReduceSumSquare", reference<SumSquare>),
    by_attribute("ReduceL1", reference<L1>),
    by_input("ReduceL1", reference<L1>),
    by_attribute("ReduceL2", reference<L2>, follow_reduce<reach::Pooled::norm>),
    by_input("ReduceL2", reference<L2>, 18, follow_reduce<reach::Pooled::norm>),
    by_attribute("ReduceLogSum", reference<LogSum>),
    by_input("ReduceLogSum", reference<LogSum>),
    by_attribute("ReduceLogSumExp", log_sum_exp),
    by_input("ReduceLogSumExp", log_sum_exp),
};

}  // namespace
const OpFile reduce{defs};
}  // namespace tessera::ops
