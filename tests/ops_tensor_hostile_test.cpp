// Nodes with random inputs and attributes, which mostly make no sense: every operator refuses them
// with an Error or computes something, and never reads or writes where it should not.
#include <random>
#include <set>

#include "tests/ops_tensor.h"

namespace tessera::test {
namespace {

class Dice {
 public:
  explicit Dice(uint32_t seed) : engine_(seed) {}
  int64_t roll(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  bool one_in(int64_t n) { return roll(1, n) == 1; }
  template <class List>
  auto pick(const List& list) {
    return list[static_cast<size_t>(roll(0, static_cast<int64_t>(std::size(list)) - 1))];
  }

  Shape shape() {
    Shape shape;
    for (int64_t rank = roll(0, 4); rank > 0; --rank) shape.push_back(one_in(12) ? 0 : roll(1, 4));
    return shape;
  }

  Tensor value(DType dtype) {
    Tensor made = Tensor::make({dtype, shape()});
    const int64_t count = made.type.shape.elements();
    for (int64_t i = 0; i < count; ++i) {
      if (dtype == DType::string)
        made.as<String>()[i] = std::string(static_cast<size_t>(roll(0, 3)), static_cast<char>('a' + roll(0, 2)));
      else if (dtype == DType::boolean)
        made.as<bool>()[i] = one_in(2);
      else if (one_in(50))
        set_element(made.view(), i, one_in(2) ? 1e30 : -1e30);
      else
        set_element(made.view(), i, static_cast<double>(roll(-4, 4)));
    }
    return made;
  }

  Attr attribute() {
    switch (roll(0, 5)) {
      case 0:
        return std::string(
            pick(std::array{"constant", "edge", "wrap", "reflect", "add", "max", "LEFT", "CRD", "TF", "a*b"}));
      case 1: return static_cast<float>(roll(-2, 2));
      case 2: {
        std::vector<int64_t> list;
        for (int64_t n = roll(0, 4); n > 0; --n) list.push_back(roll(-3, 3));
        return list;
      }
      case 3: return value(pick(std::array{DType::float32, DType::int64}));
      default: return roll(-4, 12);
    }
  }

 private:
  std::mt19937 engine_;
};

constexpr Text attribute_names[] = {"axis",
                                    "axes",
                                    "keepdims",
                                    "perm",
                                    "to",
                                    "k",
                                    "sorted",
                                    "largest",
                                    "mode",
                                    "pads",
                                    "value",
                                    "batch_dims",
                                    "blocksize",
                                    "reduction",
                                    "exclusive",
                                    "reverse",
                                    "fmod",
                                    "direction",
                                    "starts",
                                    "ends",
                                    "split",
                                    "num_outputs",
                                    "shape",
                                    "alpha",
                                    "start",
                                    "end",
                                    "upper",
                                    "dtype",
                                    "seed",
                                    "batch_axis",
                                    "time_axis",
                                    "pattern",
                                    "delimiter",
                                    "maxsplit",
                                    "broadcast",
                                    "noop_with_empty_axes",
                                    "select_last_index",
                                    "min",
                                    "max",
                                    "saturate",
                                    "allowzero"};

constexpr DType dtypes[] = {DType::float32, DType::float32, DType::float32, DType::int64, DType::int64,
                            DType::float16, DType::float64, DType::int32,   DType::uint8, DType::boolean,
                            DType::int8,    DType::string,  DType::int4,    DType::uint64};

OpCall random_call(const OpDef& op, Dice& dice) {
  OpCall call{op.name, op.since, {}, {}, 1, op.domain};
  const int most = op.in.max == many ? op.in.min + 2 : op.in.max;
  const int64_t inputs = dice.roll(op.in.min, most);
  const DType usual = dice.pick(dtypes);
  const Shape shape = dice.shape();
  for (int64_t i = 0; i < inputs; ++i) {
    const DType dtype = dice.one_in(3) ? dice.pick(dtypes) : i > 0 && dice.one_in(2) ? DType::int64 : usual;
    Tensor value = dice.value(dtype);
    // Shapes that have something to do with each other get further.
    while (dice.one_in(2) && value.type.shape != shape) value = dice.value(dtype);
    call.in.push_back(i >= op.in.min && dice.one_in(4) ? Tensor{} : value);
  }
  for (const AttrDef& attr : op.attrs)
    if (attr.required || dice.one_in(2)) call.attrs.emplace_back(attr.name, dice.attribute());
  for (const Text name : attribute_names)
    if (dice.one_in(20) && !find_attr(call.attrs, name)) call.attrs.emplace_back(name, dice.attribute());
  call.outputs = static_cast<size_t>(op.out.max == many ? dice.roll(1, 3) : dice.roll(op.out.min, op.out.max));
  return call;
}

TEST(OpsRegistry, EveryRowIsThereOnce) {
  std::set<std::string> seen;
  for (const OpDef* op : all_ops()) {
    EXPECT_TRUE(seen.insert(cat(op->domain, ".", op->name, " ", op->since)).second) << op->domain << "." << op->name;
    EXPECT_TRUE((op->infer && op->reference) || op->execute || !op->formula.empty()) << op->name;
  }
}

TEST(OpsHostile, NonsenseIsRefusedOrComputed) {
  const std::set<Text> families{"ArgMax",
                                "ArgMin",
                                "BitCast",
                                "BitShift",
                                "BitwiseAnd",
                                "BitwiseNot",
                                "Cast",
                                "CastLike",
                                "Equal",
                                "Less",
                                "Compress",
                                "Concat",
                                "Constant",
                                "ConstantOfShape",
                                "CumProd",
                                "CumSum",
                                "DepthToSpace",
                                "Dropout",
                                "Relu",
                                "Clip",
                                "Shrink",
                                "Add",
                                "Div",
                                "Pow",
                                "PRelu",
                                "Max",
                                "Mean",
                                "Expand",
                                "EyeLike",
                                "Flatten",
                                "Gather",
                                "GatherElements",
                                "GatherND",
                                "Identity",
                                "IsInf",
                                "IsNaN",
                                "And",
                                "Not",
                                "Mod",
                                "NonZero",
                                "OneHot",
                                "Pad",
                                "Range",
                                "ReduceSum",
                                "ReduceMean",
                                "ReduceMax",
                                "ReduceL2",
                                "ReduceLogSumExp",
                                "RegexFullMatch",
                                "Reshape",
                                "ReverseSequence",
                                "Scatter",
                                "ScatterElements",
                                "ScatterND",
                                "Shape",
                                "Size",
                                "Slice",
                                "SpaceToDepth",
                                "Split",
                                "Squeeze",
                                "StringConcat",
                                "StringNormalizer",
                                "StringSplit",
                                "TensorScatter",
                                "Tile",
                                "TopK",
                                "Transpose",
                                "Trilu",
                                "Unique",
                                "Unsqueeze",
                                "Where"};
  int computed = 0;
  for (const OpDef* op : all_ops()) {
    if (!families.contains(op->name) || !op->infer) continue;
    Dice dice(static_cast<uint32_t>(std::hash<Text>()(op->name)) + static_cast<uint32_t>(op->since));
    for (int i = 0; i < 400; ++i) {
      const OpCall call = random_call(*op, dice);
      SCOPED_TRACE(cat(op->name, " ", op->since, ", call ", i));
      try {
        computed += run_op(call).empty() ? 0 : 1;
      } catch (const Error&) {
      } catch (const NeedsValue&) {
      }
    }
  }
  // The dice are not so wild that nothing gets through.
  EXPECT_GT(computed, 2000);
}

}  // namespace
}  // namespace tessera::test
