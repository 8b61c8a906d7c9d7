// The C interface: values of all kinds, and types of containers.
#include <unordered_set>

#include "runtime/onnx/load.h"
#include "runtime/session/c_api.h"

using namespace tessera;
using namespace tessera::c_api;

namespace {

static_assert(TESSERA_MAP == static_cast<int>(Kind::map) && TESSERA_OPTIONAL == static_cast<int>(Kind::optional));

constexpr Text kind_names[] = {"a tensor", "a sequence", "an optional", "a map"};

Text name_of(Kind kind) { return kind_names[static_cast<size_t>(kind)]; }

template <class Make>
tessera_status* make(tessera_value** value, const Make& body) {
  return guard([&] {
    require(value);
    *value = nullptr;
    Datum datum = body();
    *value = new tessera_value{std::move(datum)};
  });
}

Datum datum_of(Tensor tensor) {
  Datum datum;
  datum.tensor = std::move(tensor);
  return datum;
}

const Datum& datum_of(const tessera_value* value, Kind kind) {
  require(value);
  if (value->datum.kind != kind)
    fail(Error::Kind::type, "the value is ", name_of(value->datum.kind), ", not ", name_of(kind));
  return value->datum;
}

// Item i of a vector, as a scalar of its own.
Datum element(const Tensor& vector, int64_t i) {
  const Type one{vector.type.dtype, {}};
  if (one.dtype == DType::string) {
    Tensor text = Tensor::make(one);
    *text.as<String>() = vector.as<String>()[i];
    return datum_of(std::move(text));
  }
  if (one.bytes() * vector.type.shape[0] != vector.type.bytes())
    fail(Error::Kind::type, "a map cannot have values of packed type ", tessera::name_of(one.dtype));
  return datum_of({one, std::shared_ptr<std::byte>(vector.bytes, vector.bytes.get() + i * one.bytes())});
}

template <class T>
bool all_differ(const Tensor& keys) {
  const auto* first = keys.as<const T>();
  return std::unordered_set<T>(first, first + keys.type.shape[0]).size() == static_cast<size_t>(keys.type.shape[0]);
}

void check_keys(const Tensor& keys) {
  const Type& type = keys.type;
  if (type.shape.size() != 1) fail(Error::Kind::shape, "the keys of a map are one row, not ", type);
  const bool differ = type.dtype == DType::string ? all_differ<std::string>(keys) : visit(type.dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return all_differ<T>(keys);
    fail(Error::Kind::type, "the keys of a map are integers or strings, not ", tessera::name_of(type.dtype));
    return false;
  });
  if (!differ) fail(Error::Kind::usage, "a map has a key twice");
}

// Items of a sequence are alike.
void check_items(const Datum& sequence) {
  for (const Datum& item : sequence.items) {
    const Datum& first = sequence.items[0];
    if (item.kind != first.kind)
      fail(Error::Kind::type, "a sequence holds ", name_of(first.kind), " and ", name_of(item.kind));
    if (item.kind == Kind::tensor && item.tensor.type.dtype != sequence.element)
      fail(Error::Kind::type, "a sequence of ", tessera::name_of(sequence.element), " holds ",
           tessera::name_of(item.tensor.type.dtype));
  }
}

// A map's values as one row, where they are scalars of one dtype.
Datum row_of(const std::vector<Datum>& items) {
  Datum sequence;
  sequence.kind = Kind::sequence;
  sequence.items = items;
  if (!items.empty() && items[0].kind == Kind::tensor) sequence.element = items[0].tensor.type.dtype;
  for (const Datum& item : items)
    if (item.kind != Kind::tensor || item.tensor.type != Type{sequence.element, {}}) return sequence;
  if (items.empty()) return sequence;
  Tensor row = Tensor::make({sequence.element, {static_cast<int64_t>(items.size())}});
  const auto bytes = static_cast<size_t>(items[0].tensor.type.bytes());
  for (size_t i = 0; i < items.size(); ++i) {
    if (sequence.element == DType::string)
      row.as<String>()[i] = *items[i].tensor.as<String>();
    else
      std::memcpy(row.bytes.get() + i * bytes, items[i].tensor.bytes.get(), bytes);
  }
  return datum_of(std::move(row));
}

const onnx::Declared& declared(const tessera_type* type) { return *reinterpret_cast<const onnx::Declared*>(type); }

}  // namespace

std::vector<Datum> tessera::c_api::data_of(const tessera_value* const* values, size_t count) {
  if (count) require(values);
  std::vector<Datum> data(count);
  for (size_t i = 0; i < count; ++i)
    if (values[i]) data[i] = values[i]->datum;
  return data;
}

tessera_status* tessera_type_get(const tessera_type* type, tessera_type_facts* facts) {
  return guard([&] {
    require(type);
    const onnx::Declared& from = declared(type);
    write_struct({0, static_cast<tessera_kind>(from.kind), static_cast<tessera_dtype>(from.type.dtype), from.ranked,
                  from.ranked ? from.type.shape.size() : 0, from.type.shape.data(),
                  from.item.empty() ? nullptr : reinterpret_cast<const tessera_type*>(from.item.data())},
                 facts, "tessera_type_facts");
  });
}

const char* tessera_type_dim_name(const tessera_type* type, size_t axis) {
  return type && axis < declared(type).dim_names.size() ? declared(type).dim_names[axis].c_str() : "";
}

tessera_status* tessera_value_create_tensor(const tessera_tensor* tensor, tessera_value** value) {
  return make(value, [&] {
    require(tensor);
    const View view = view_of(*tensor, "tensor", 0);
    Tensor copy = Tensor::make(view.type);
    if (tensor->bytes) std::memcpy(copy.bytes.get(), view.data, tensor->bytes);
    return datum_of(std::move(copy));
  });
}

tessera_status* tessera_value_create_around(const tessera_tensor* tensor, void (*release)(void* context), void* context,
                                            tessera_value** value) {
  struct Owner {
    void (*release)(void*) = nullptr;
    void* context = nullptr;
    ~Owner() {
      if (release) release(context);
    }
  };
  std::shared_ptr<Owner> owner;
  tessera_status* failure = make(value, [&] {
    require(tensor);
    const View view = view_of(*tensor, "tensor", 0);
    owner = std::make_shared<Owner>();
    return datum_of({view.type, std::shared_ptr<std::byte>(owner, view.data)});
  });
  if (!failure) {
    owner->context = context;
    owner->release = release;
  }
  return failure;
}

tessera_status* tessera_value_create_strings(const char* const* texts, const size_t* lengths, const int64_t* dims,
                                             size_t rank, tessera_value** value) {
  return make(value, [&] {
    if (rank) require(dims);
    if (rank > 64) fail(Error::Kind::shape, "a tensor of rank ", rank);
    const Type type{DType::string, Shape(List<int64_t>(dims, rank))};
    for (const int64_t extent : type.shape)
      if (extent < 0) fail(Error::Kind::shape, "a tensor of shape ", type.shape);
    Tensor tensor = Tensor::make(type);
    const auto count = static_cast<size_t>(type.shape.elements());
    if (count) require(texts);
    for (size_t i = 0; i < count; ++i) {
      require(texts[i]);
      tensor.as<String>()[i].assign(texts[i], lengths ? lengths[i] : std::strlen(texts[i]));
    }
    return datum_of(std::move(tensor));
  });
}

tessera_status* tessera_value_create_sequence(tessera_dtype dtype, const tessera_value* const* items, size_t count,
                                              tessera_value** value) {
  return make(value, [&] {
    if (dtype < TESSERA_UNDEFINED || dtype >= dtype_count) fail(Error::Kind::type, "there is no data type ", +dtype);
    if (count) require(items);
    Datum sequence;
    sequence.kind = Kind::sequence;
    sequence.element = static_cast<DType>(dtype);
    for (size_t i = 0; i < count; ++i) {
      require(items[i]);
      sequence.items.push_back(items[i]->datum);
    }
    if (dtype == TESSERA_UNDEFINED && count && sequence.items[0].kind == Kind::tensor)
      sequence.element = sequence.items[0].tensor.type.dtype;
    check_items(sequence);
    return sequence;
  });
}

tessera_status* tessera_value_create_optional(const tessera_value* item, tessera_value** value) {
  return make(value, [&] {
    Datum optional;
    optional.kind = Kind::optional;
    if (item) optional.items.push_back(item->datum);
    return optional;
  });
}

tessera_status* tessera_value_create_map(const tessera_value* keys, const tessera_value* values,
                                         tessera_value** value) {
  return make(value, [&] {
    require(values);
    Datum map;
    map.kind = Kind::map;
    map.keys = datum_of(keys, Kind::tensor).tensor;
    check_keys(map.keys);
    const int64_t count = map.keys.type.shape[0];
    const Datum& given = values->datum;
    if (given.kind == Kind::sequence) {
      map.items = given.items;
    } else {
      const Type& type = datum_of(values, Kind::tensor).tensor.type;
      if (type.shape.size() != 1) fail(Error::Kind::shape, "the values of a map are one row, not ", type);
      for (int64_t i = 0; i < type.shape[0]; ++i) map.items.push_back(element(given.tensor, i));
    }
    if (static_cast<int64_t>(map.items.size()) != count)
      fail(Error::Kind::shape, "a map has ", count, " keys, but ", map.items.size(), " values");
    return map;
  });
}

tessera_status* tessera_value_share(const tessera_value* value, tessera_value** other) {
  return make(other, [&] {
    require(value);
    return value->datum;
  });
}

void tessera_value_free(tessera_value* value) { delete value; }

tessera_kind tessera_value_kind(const tessera_value* value) {
  return value ? static_cast<tessera_kind>(value->datum.kind) : TESSERA_TENSOR;
}

tessera_dtype tessera_value_dtype(const tessera_value* value) {
  if (!value) return TESSERA_UNDEFINED;
  const Datum& datum = value->datum;
  switch (datum.kind) {
    case Kind::tensor: return static_cast<tessera_dtype>(datum.tensor.type.dtype);
    case Kind::sequence: return static_cast<tessera_dtype>(datum.element);
    case Kind::map: return static_cast<tessera_dtype>(datum.keys.type.dtype);
    default: return TESSERA_UNDEFINED;
  }
}

size_t tessera_value_count(const tessera_value* value) {
  if (!value) return 0;
  const Datum& datum = value->datum;
  return datum.kind == Kind::tensor ? static_cast<size_t>(datum.tensor.type.shape.elements()) : datum.items.size();
}

tessera_status* tessera_value_tensor(const tessera_value* value, tessera_tensor* tensor) {
  return guard([&] {
    require(tensor);
    *tensor = told(datum_of(value, Kind::tensor).tensor);
  });
}

tessera_status* tessera_value_string(const tessera_value* value, size_t index, const char** text, size_t* length) {
  return guard([&] {
    require(text);
    const Tensor& tensor = datum_of(value, Kind::tensor).tensor;
    if (tensor.type.dtype != DType::string)
      fail(Error::Kind::type, "the value is a tensor of ", tessera::name_of(tensor.type.dtype), ", not of strings");
    check_index(index, tessera_value_count(value), "element");
    const String& element = tensor.as<String>()[index];
    *text = element.c_str();
    if (length) *length = element.size();
  });
}

tessera_status* tessera_value_item(const tessera_value* value, size_t index, tessera_value** item) {
  return make(item, [&] {
    require(value);
    if (value->datum.kind == Kind::tensor) fail(Error::Kind::type, "the value is a tensor, which has no items");
    check_index(index, value->datum.items.size(), "item");
    return value->datum.items[index];
  });
}

tessera_status* tessera_value_keys(const tessera_value* map, tessera_value** keys) {
  return make(keys, [&] { return datum_of(datum_of(map, Kind::map).keys); });
}

tessera_status* tessera_value_values(const tessera_value* map, tessera_value** values) {
  return make(values, [&] { return row_of(datum_of(map, Kind::map).items); });
}

tessera_status* tessera_result_value(const tessera_result* result, size_t index, tessera_value** value) {
  return make(value, [&] {
    require(result);
    check_index(index, result->values.size(), "output");
    return result->values[index];
  });
}

tessera_status* tessera_run_values(const tessera_session* session, const tessera_value* const* inputs,
                                   size_t input_count, const tessera_run_options* options, tessera_result** result) {
  return guard([&] {
    require(session, result);
    *result = nullptr;
    *result = run(session, data_of(inputs, input_count), options).release();
  });
}
