// ai.onnx.ml CastMap and DictVectorizer: maps as rows of numbers.
#include <algorithm>

#include "ops/containers.h"
#include "ops/convert.h"

namespace tessera::ops {
namespace {

const Datum& map_in(const Frame& f) {
  if (f.in.empty() || f.in[0].kind != Kind::map) fail(Error::Kind::type, "input 0 is not a map");
  for (const Datum& item : f.in[0].items)
    if (item.kind != Kind::tensor || item.tensor.type.shape.elements() != 1)
      fail(Error::Kind::type, "a value of the map is not one number or text");
  return f.in[0];
}

// Six digits, whatever the locale.
std::string words_of(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6).ptr};
}

void store(const Tensor& from, const View& to, int64_t i) {
  const bool text = from.type.dtype == DType::string;
  if (to.type.dtype == DType::string) {
    if (text)
      to.as<String>()[i] = *from.as<String>();
    else
      to.as<String>()[i] = words_of(element_as_double(from.view(), 0));
    return;
  }
  double value = text ? 0 : element_as_double(from.view(), 0);
  if (text) value = convert_detail::parse_real(*from.as<String>());
  set_element(to, i, value);
}

DType cast_to(const AttrReader& n) {
  const Text name = n.text("cast_to");
  if (name == "TO_FLOAT") return DType::float32;
  if (name == "TO_INT64") return DType::int64;
  if (name == "TO_STRING") return DType::string;
  fail(Error::Kind::model, "attribute \"cast_to\" is \"", name, "\"");
}

// In the order of the keys; where the map is sparse, a key is a place in the row.
void run_cast(Frame& f) {
  const Datum& map = map_in(f);
  if (map.keys.type.dtype != DType::int64) fail(Error::Kind::type, "the keys of the map are not int64");
  const int64_t* keys = map.keys.as<int64_t>();
  RunVector<size_t> order(map.items.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return keys[a] < keys[b]; });
  const Text form = f.text("map_form");
  if (form != "DENSE" && form != "SPARSE") fail(Error::Kind::model, "attribute \"map_form\" is \"", form, "\"");
  const bool sparse = form == "SPARSE";
  const int64_t count = sparse ? f.integer("max_map") : static_cast<int64_t>(order.size());
  if (sparse && count < 1) fail(Error::Kind::model, "attribute \"max_map\" is ", count);
  Tensor row = Tensor::make({cast_to(f), {1, count}});
  if (row.type.dtype == DType::string)
    for (int64_t i = 0; i < count; ++i) row.as<String>()[i].assign(1, '0');
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t at = sparse ? keys[order[i]] : static_cast<int64_t>(i);
    if (at < 0 || at >= count) fail(Error::Kind::model, "key ", at, " is outside of a row of ", count);
    store(map.items[order[i]].tensor, row.view(), at);
  }
  f.out[0] = datum_of(std::move(row));
}

// A row with the value of each word of the vocabulary; 0 or "" where the map has none.
void run_vectorizer(Frame& f) {
  const Datum& map = map_in(f);
  const auto texts = f.texts("string_vocabulary");
  const auto numbers = f.integers("int64_vocabulary");
  const bool by_text = !texts.empty();
  if (by_text == !numbers.empty()) fail(Error::Kind::model, "needs one vocabulary, of texts or of integers");
  if (map.keys.type.dtype != (by_text ? DType::string : DType::int64))
    fail(Error::Kind::type, "the keys of the map are ", name_of(map.keys.type.dtype));
  const DType dtype = map.items.empty() ? DType::float32 : map.items[0].tensor.type.dtype;
  const int64_t count = static_cast<int64_t>(by_text ? texts.size() : numbers.size());
  Tensor row = Tensor::make({dtype, {1, count}});
  for (int64_t i = 0; i < count; ++i)
    for (size_t k = 0; k < map.items.size(); ++k) {
      const auto at = static_cast<size_t>(i);
      const bool same =
          by_text ? map.keys.as<String>()[k] == Text(texts[at]) : map.keys.as<int64_t>()[k] == numbers[at];
      if (same) store(map.items[k].tensor, row.view(), i);
    }
  f.out[0] = datum_of(std::move(row));
}

constexpr AttrDef cast_attrs[] = {{"cast_to", 0, "TO_FLOAT"}, {"map_form", 0, "DENSE"}, {"max_map", 1}};
constexpr AttrDef vectorizer_attrs[] = {{"string_vocabulary"}, {"int64_vocabulary"}};
constexpr OpDef def(Text name, List<AttrDef> attrs, void (*execute)(Frame&)) {
  return {.name = name,
          .domain = "ai.onnx.ml",
          .since = 1,
          .in = {1, 1},
          .out = {1, 1},
          .types = {},
          .attrs = attrs,
          .execute = execute};
}
const OpDef defs[] = {def("CastMap", cast_attrs, run_cast), def("DictVectorizer", vectorizer_attrs, run_vectorizer)};

}  // namespace

extern const OpFile map_features;
const OpFile map_features{defs};

}  // namespace tessera::ops
