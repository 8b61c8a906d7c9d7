// ai.onnx.ml Imputer, OneHotEncoder, FeatureVectorizer and CategoryMapper: features made ready.
#include <algorithm>

#include "ops/elements.h"
#include "ops/ml_scores.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
namespace {

void infer_same_type(Infer& n) { n.set(0, n.in(0).dtype, n.shape(0)); }

void imputer(const Args& a) {
  const bool whole = !is_float(a.in[0].type.dtype);
  const auto reals = a.reals("imputed_value_floats");
  const auto integers = a.integers("imputed_value_int64s");
  const size_t count = whole ? integers.size() : reals.size();
  const int64_t width = std::max<int64_t>(Rows(a.in[0].shape()).width, 1);
  if (count != 1 && static_cast<int64_t>(count) != width)
    fail(Error::Kind::shape, count, " imputed values for ", width, " columns");
  const double replaced = static_cast<double>(a.real("replaced_value_float"));
  const int64_t replaced_integer = a.integer("replaced_value_int64");
  const Read<double> x(a.in[0]);
  for (const int64_t i : Elements(x.size())) {
    const auto at = count == 1 ? 0 : static_cast<size_t>(i % width);
    const bool missing = whole ? x[i] == static_cast<double>(replaced_integer)
                               : x[i] == replaced || (std::isnan(replaced) && std::isnan(x[i]));
    const double value = whole     ? static_cast<double>(missing ? integers[at] : 0)
                         : missing ? static_cast<double>(reals[at])
                                   : 0;
    set_element(a.out[0], i, missing ? value : x[i]);
  }
}

void infer_one_hot(Infer& n) {
  const Labels cats(n, "cats_strings", "cats_int64s");
  if ((n.in(0).dtype == DType::string) != (cats.type() == DType::string))
    fail(Error::Kind::type, "categories do not have the type of ", n.in(0));
  Shape y = n.shape(0);
  y.push_back(static_cast<int64_t>(cats.size()));
  n.set(0, DType::float32, y);
}

void one_hot(const Args& a) {
  const Labels cats(a, "cats_strings", "cats_int64s");
  const bool zeros = a.integer("zeros") != 0;
  const auto count = static_cast<int64_t>(cats.size());
  float* y = a.out[0].as<float>();
  std::fill_n(y, a.out[0].elements(), 0.0f);
  for (const int64_t i : Elements(a.in[0].elements())) {
    int64_t at;
    if (cats.type() == DType::string)
      at = std::find(cats.names.begin(), cats.names.end(), Text(a.in[0].as<const String>()[i])) - cats.names.begin();
    else
      at = std::find_if(cats.numbers.begin(), cats.numbers.end(),
                        [&](int64_t n) { return static_cast<double>(n) == element_as_double(a.in[0], i); }) -
           cats.numbers.begin();
    if (at < count)
      y[i * count + at] = 1;
    else if (!zeros)
      fail(Error::Kind::model, "element ", i, " is of no known category");
  }
}

void infer_vectorizer(Infer& n) {
  const auto widths = n.integers("inputdimensions");
  if (static_cast<int>(widths.size()) != n.inputs())
    fail(Error::Kind::model, widths.size(), " input dimensions for ", n.inputs(), " inputs");
  int64_t width = 0;
  for (int i = 0; i < n.inputs(); ++i) {
    const Rows rows(n.shape(i));
    if (rows.count != Rows(n.shape(0)).count) fail(Error::Kind::shape, n.shape(i), " beside ", n.shape(0));
    const int64_t one = widths[static_cast<size_t>(i)];
    if (one < 0 || one > int64_t{1} << 30) fail(Error::Kind::model, "an input dimension of ", one);
    width += one;
  }
  n.set(0, DType::float32, {Rows(n.shape(0)).count, width});
}

// Each input gives its named number of columns: cut off, or filled up with zeros.
void vectorizer(const Args& a) {
  const auto widths = a.integers("inputdimensions");
  const int64_t width = a.out[0].shape()[1];
  std::fill_n(a.out[0].as<float>(), a.out[0].elements(), 0.0f);
  int64_t done = 0;
  for (size_t i = 0; i < a.in.size(); ++i) {
    const Rows rows(a.in[i].shape());
    const Read<float> x(a.in[i]);
    const int64_t kept = std::min(rows.width, widths[i]);
    for (const int64_t r : Steps(rows.count))
      std::copy_n(x.data() + r * rows.width, kept, a.out[0].as<float>() + r * width + done);
    done += widths[i];
  }
}

void infer_mapper(Infer& n) {
  if (n.texts("cats_strings").size() != n.integers("cats_int64s").size())
    fail(Error::Kind::model, "categories by name and by number differ in count");
  n.set(0, n.in(0).dtype == DType::string ? DType::int64 : DType::string, n.shape(0));
}

void mapper(const Args& a) {
  const auto names = a.texts("cats_strings");
  const auto numbers = a.integers("cats_int64s");
  for (const int64_t i : Elements(a.out[0].elements())) {
    if (a.in[0].type.dtype == DType::string) {
      const auto found = std::find(names.begin(), names.end(), Text(a.in[0].as<const String>()[i]));
      a.out[0].as<int64_t>()[i] =
          found == names.end() ? a.integer("default_int64") : numbers[static_cast<size_t>(found - names.begin())];
    } else {
      const auto found = std::find(numbers.begin(), numbers.end(), a.in[0].as<const int64_t>()[i]);
      a.out[0].as<String>()[i] = found == numbers.end() ? std::string(a.text("default_string"))
                                                        : names[static_cast<size_t>(found - numbers.begin())];
    }
  }
}

constexpr AttrDef imputer_attrs[] = {
    {"replaced_value_float", 0}, {"replaced_value_int64", 0}, {"imputed_value_floats"}, {"imputed_value_int64s"}};
constexpr AttrDef one_hot_attrs[] = {{"zeros", 1}, {"cats_strings"}, {"cats_int64s"}};
constexpr AttrDef vectorizer_attrs[] = {{"inputdimensions"}};
constexpr AttrDef mapper_attrs[] = {
    {"default_int64", -1}, {"default_string", 0, "_Unused"}, {"cats_strings"}, {"cats_int64s"}};
constexpr OpDef def(Text name, Arity in, Text types, List<AttrDef> attrs, void (*infer)(Infer&),
                    void (*reference)(const Args&)) {
  return {.name = name,
          .domain = "ai.onnx.ml",
          .since = 1,
          .in = in,
          .types = types,
          .attrs = attrs,
          .infer = infer,
          .reference = reference,
          .reach = reach::not_followed};
}
const OpDef defs[] = {
    def("Imputer", {1, 1}, "T=float32|float64|int32|int64 : T", imputer_attrs, infer_same_type, imputer),
    def("OneHotEncoder", {1, 1}, "T=float32|float64|int32|int64|string : T", one_hot_attrs, infer_one_hot, one_hot),
    def("FeatureVectorizer", {1, many}, "T=float32|float64|int32|int64 : T...", vectorizer_attrs, infer_vectorizer,
        vectorizer),
    def("CategoryMapper", {1, 1}, "T=string|int64 : T", mapper_attrs, infer_mapper, mapper),
};

}  // namespace

extern const OpFile ml_features;
const OpFile ml_features{defs};

}  // namespace tessera::ops
