// Values: tensors, texts, sequences, maps.
#include <algorithm>
#include <cstring>

#include "bindings/onnxruntime/table.h"

namespace tessera::ort {
namespace {

const Value& tensor(const Value* value) {
  need(value);
  if (value->kind != kind_tensor) fail(code_invalid_argument, "the value is not a tensor");
  return *value;
}
Value& tensor(Value* value) { return const_cast<Value&>(tensor(const_cast<const Value*>(value))); }
const Value& texts(const Value* value) {
  if (!tensor(value).is_text()) fail(code_invalid_argument, "the tensor holds no strings");
  return *value;
}
const std::string& text_at(const Value* value, size_t index) {
  if (index >= texts(value).texts.size()) fail(code_invalid_argument, "there is no string " + std::to_string(index));
  return value->texts[index];
}

std::unique_ptr<Value> around(void* data, size_t bytes, const int64_t* dims, size_t rank, int element) {
  if (rank) need(dims);
  if (!element_bits(element))
    fail(code_invalid_argument, "memory cannot hold elements of type " + std::to_string(element));
  auto value = std::make_unique<Value>();
  value->element = element;
  value->bytes = count_bytes(dims, rank, element);
  if (bytes < value->bytes)
    fail(code_invalid_argument,
         "not enough space: expected " + std::to_string(value->bytes) + ", got " + std::to_string(bytes));
  if (value->bytes) need(data);
  value->dims.assign(dims, dims + rank);
  value->data = data;
  return value;
}

// --- To tessera and back ---------------------------------------------------------------------------

tessera_tensor view(const Value& value) {
  return {dtype_of(value.element), value.dims.size(), value.dims.data(), value.data, value.bytes};
}

/// Lets go of an owner that was lent to tessera.
void release_owner(void* context) { delete static_cast<std::shared_ptr<void>*>(context); }

std::unique_ptr<Value> from_tensor(ValueHandle handle) {
  tessera_tensor from;
  check(tessera_value_tensor(handle.get(), &from));
  auto value = std::make_unique<Value>();
  value->element = element_of(from.dtype);
  value->dims.assign(from.dims, from.dims + from.rank);
  if (from.dtype == TESSERA_STRING) {
    value->texts.resize(value->count());
    for (size_t i = 0; i < value->texts.size(); ++i) {
      const char* text = nullptr;
      size_t length = 0;
      check(tessera_value_string(handle.get(), i, &text, &length));
      value->texts[i].assign(text, length);
    }
    return value;
  }
  value->data = from.data;
  value->bytes = from.bytes;
  value->owner =
      std::shared_ptr<void>(handle.release(), [](void* p) { tessera_value_free(static_cast<tessera_value*>(p)); });
  return value;
}

std::shared_ptr<Value> item_of(const tessera_value* value,
                               tessera_status* (*get)(const tessera_value*, tessera_value**)) {
  tessera_value* item = nullptr;
  check(get(value, &item));
  return from_tessera(ValueHandle(item));
}

}  // namespace

ValueHandle to_tessera(const Value& value) {
  tessera_value* out = nullptr;
  if (value.is_text()) {
    std::vector<const char*> pointers;
    std::vector<size_t> lengths;
    for (const std::string& text : value.texts) {
      pointers.push_back(text.data());
      lengths.push_back(text.size());
    }
    check(tessera_value_create_strings(pointers.data(), lengths.data(), value.dims.data(), value.dims.size(), &out));
  } else if (value.kind == kind_tensor) {
    const tessera_tensor from = view(value);
    auto owner = std::make_unique<std::shared_ptr<void>>(value.owner);
    check(tessera_value_create_around(&from, release_owner, owner.get(), &out));
    owner.release();
  } else if (value.kind == kind_optional) {
    check(tessera_value_create_optional(nullptr, &out));
  } else {
    std::vector<ValueHandle> items;
    std::vector<const tessera_value*> pointers;
    for (const auto& item : value.items) {
      items.push_back(to_tessera(*item));
      pointers.push_back(items.back().get());
    }
    if (value.kind == kind_map)
      check(tessera_value_create_map(pointers[0], pointers[1], &out));
    else
      check(tessera_value_create_sequence(dtype_of(value.element), pointers.data(), pointers.size(), &out));
  }
  return ValueHandle(out);
}

std::unique_ptr<Value> from_tessera(ValueHandle handle) {
  const tessera_kind kind = tessera_value_kind(handle.get());
  if (kind == TESSERA_TENSOR) return from_tensor(std::move(handle));
  auto value = std::make_unique<Value>();
  if (kind == TESSERA_MAP) {
    value->kind = kind_map;
    value->items = {item_of(handle.get(), tessera_value_keys), item_of(handle.get(), tessera_value_values)};
    return value;
  }
  const size_t count = tessera_value_count(handle.get());
  for (size_t i = 0; i < count; ++i) {
    tessera_value* item = nullptr;
    check(tessera_value_item(handle.get(), i, &item));
    // An optional that has a value is that value.
    if (kind == TESSERA_OPTIONAL) return from_tessera(ValueHandle(item));
    value->items.push_back(from_tessera(ValueHandle(item)));
  }
  value->kind = kind == TESSERA_OPTIONAL ? kind_optional : kind_sequence;
  value->element = element_of(tessera_value_dtype(handle.get()));
  return value;
}

std::unique_ptr<Value> make_tensor(Allocator* allocator, const int64_t* dims, size_t rank, int element) {
  if (rank) need(dims);
  auto value = std::make_unique<Value>();
  value->element = element;
  value->dims.assign(dims, dims + rank);
  if (element == TESSERA_STRING) {
    value->texts.resize(value->count());
    return value;
  }
  if (!element_bits(element)) fail(code_invalid_argument, "there are no elements of type " + std::to_string(element));
  value->bytes = count_bytes(dims, rank, element);
  void* data = take(allocator, value->bytes);
  value->owner = std::shared_ptr<void>(data, [allocator](void* block) { allocator->free(allocator, block); });
  value->data = data;
  std::memset(data, 0, value->bytes);
  return value;
}

// --- Tensors ---------------------------------------------------------------------------------------

Status* CreateTensorAsOrtValue(Allocator* allocator, const int64_t* dims, size_t rank, int element, Value** out) {
  return guarded([&] {
    need(allocator, out);
    *out = make_tensor(allocator, dims, rank, element).release();
  });
}
Status* CreateTensorWithDataAsOrtValue(const MemoryInfo* info, void* data, size_t bytes, const int64_t* dims,
                                       size_t rank, int element, Value** out) {
  return guarded([&] {
    need(info, out);
    if (!info->is_host()) fail(code_not_implemented, "memory of a device is not taken: \"" + info->name + "\"");
    *out = around(data, bytes, dims, rank, element).release();
  });
}
Status* CreateTensorWithDataAndDeleterAsOrtValue(Allocator* deleter, void* data, size_t bytes, const int64_t* dims,
                                                 size_t rank, int element, Value** out) {
  return guarded([&] {
    need(deleter, out);
    auto value = around(data, bytes, dims, rank, element);
    value->owner = std::shared_ptr<void>(data, [deleter](void* block) { deleter->free(deleter, block); });
    *out = value.release();
  });
}
void ReleaseValue(Value* value) { delete value; }

Status* IsTensor(const Value* value, int* out) {
  return guarded([&] {
    need(value, out);
    *out = value->kind == kind_tensor;
  });
}
Status* IsSparseTensor(const Value* value, int* out) {
  return guarded([&] {
    need(value, out);
    *out = 0;
  });
}
Status* HasValue(const Value* value, int* out) {
  return guarded([&] {
    need(value, out);
    *out = value->kind != kind_optional;
  });
}
Status* GetTensorData(const Value* value, const void** out) {
  return guarded([&] {
    need(out);
    if (tensor(value).is_text())
      fail(code_not_implemented, "strings have no memory in one piece: ask GetStringTensorContent");
    *out = value->data;
  });
}
Status* GetTensorMutableData(Value* value, void** out) {
  return guarded([&] {
    need(out);
    if (tensor(value).is_text())
      fail(code_not_implemented, "strings have no memory in one piece: ask GetStringTensorContent");
    *out = value->data;
  });
}
Status* GetTensorSizeInBytes(const Value* value, size_t* out) {
  return guarded([&] {
    need(out);
    if (tensor(value).is_text()) fail(code_invalid_argument, "strings have no size: ask GetStringTensorDataLength");
    *out = value->bytes;
  });
}
Status* GetTensorMemoryInfo(const Value* value, const MemoryInfo** out) {
  return guarded([&] {
    need(out);
    tensor(value);
    *out = &host_memory();
  });
}
Status* TensorAt(Value* value, const int64_t* place, size_t rank, void** out) {
  return guarded([&] {
    need(out);
    const Value& from = tensor(value);
    if (rank != from.dims.size())
      fail(code_invalid_argument, "the place has not as many indices as the tensor has axes");
    if (rank) need(place);
    const size_t bits = element_bits(from.element);
    if (bits % 8 || bits == 0) fail(code_invalid_argument, "elements of this type have no address");
    int64_t index = 0;
    for (size_t i = 0; i < rank; ++i) {
      if (place[i] < 0 || place[i] >= from.dims[i])
        fail(code_invalid_argument, "index " + std::to_string(place[i]) + " is outside of axis " + std::to_string(i));
      index = index * from.dims[i] + place[i];
    }
    *out = static_cast<char*>(from.data) + static_cast<size_t>(index) * (bits / 8);
  });
}
Status* CopyTensors(const Env*, const Value* const* from, Value* const* to, void*, size_t count) {
  return guarded([&] {
    if (count) need(from, to);
    for (size_t i = 0; i < count; ++i) {
      const Value& source = tensor(from[i]);
      Value& target = tensor(to[i]);
      if (source.element != target.element || source.count() != target.count())
        fail(code_invalid_argument,
             "tensor " + std::to_string(i) + " is not as large as its source, or of another type");
      target.texts = source.texts;
      if (source.bytes) std::memmove(target.data, source.data, source.bytes);
    }
  });
}

Status* GetTensorTypeAndShape(const Value* value, TensorInfo** out) {
  return guarded([&] {
    need(out);
    *out = new TensorInfo(type_of(tensor(value)).tensor);
  });
}
Status* GetTensorElementTypeAndShapeDataReference(const Value* value, int* element, const int64_t** dims,
                                                  size_t* rank) {
  return guarded([&] {
    need(element, dims, rank);
    const Value& from = tensor(value);
    *element = from.element;
    *dims = from.dims.empty() ? nullptr : from.dims.data();
    *rank = from.dims.size();
  });
}
Status* GetTypeInfo(const Value* value, TypeInfo** out) {
  return guarded([&] {
    need(value, out);
    *out = new TypeInfo(type_of(*value));
  });
}
Status* GetValueType(const Value* value, int* out) {
  return guarded([&] {
    need(value, out);
    *out = value->kind;
  });
}

// --- Texts -----------------------------------------------------------------------------------------

Status* FillStringTensor(Value* value, const char* const* from, size_t count) {
  return guarded([&] {
    Value& to = const_cast<Value&>(texts(value));
    if (count != to.texts.size())
      fail(code_invalid_argument,
           std::to_string(count) + " strings for a tensor of " + std::to_string(to.texts.size()));
    for (size_t i = 0; i < count; ++i) {
      need(from, from[i]);
      to.texts[i] = from[i];
    }
  });
}
Status* FillStringTensorElement(Value* value, const char* text, size_t index) {
  return guarded([&] {
    need(text);
    const_cast<std::string&>(text_at(value, index)) = text;
  });
}
Status* GetResizedStringTensorElementBuffer(Value* value, size_t index, size_t length, char** out) {
  return guarded([&] {
    need(out);
    std::string& text = const_cast<std::string&>(text_at(value, index));
    text.resize(length);
    *out = text.data();
  });
}
Status* GetStringTensorDataLength(const Value* value, size_t* out) {
  return guarded([&] {
    need(out);
    size_t length = 0;
    for (const std::string& text : texts(value).texts) length += text.size();
    *out = length;
  });
}
Status* GetStringTensorContent(const Value* value, void* bytes, size_t size, size_t* offsets, size_t count) {
  return guarded([&] {
    const auto& from = texts(value).texts;
    if (count != from.size()) fail(code_invalid_argument, "there are not as many offsets as strings");
    if (count) need(offsets);
    size_t at = 0;
    for (const std::string& text : from) at += text.size();
    if (size < at)
      fail(code_invalid_argument, "the buffer is too small: the strings take " + std::to_string(at) + " bytes");
    if (at) need(bytes);
    at = 0;
    for (size_t i = 0; i < count; ++i) {
      offsets[i] = at;
      if (!from[i].empty()) std::memcpy(static_cast<char*>(bytes) + at, from[i].data(), from[i].size());
      at += from[i].size();
    }
  });
}
Status* GetStringTensorElementLength(const Value* value, size_t index, size_t* out) {
  return guarded([&] {
    need(out);
    *out = text_at(value, index).size();
  });
}
Status* GetStringTensorElement(const Value* value, size_t size, size_t index, void* out) {
  return guarded([&] {
    const std::string& text = text_at(value, index);
    if (size < text.size())
      fail(code_invalid_argument,
           "the buffer is too small: the string takes " + std::to_string(text.size()) + " bytes");
    if (!text.empty()) {
      need(out);
      std::memcpy(out, text.data(), text.size());
    }
  });
}

// --- Containers ------------------------------------------------------------------------------------

Status* GetValueCount(const Value* value, size_t* out) {
  return guarded([&] {
    need(value, out);
    if (value->kind != kind_sequence && value->kind != kind_map)
      fail(code_invalid_argument, "the value is no sequence and no map");
    *out = value->items.size();
  });
}
Status* GetValue(const Value* value, int index, Allocator* allocator, Value** out) {
  return guarded([&] {
    need(value, allocator, out);
    if (value->kind != kind_sequence && value->kind != kind_map)
      fail(code_invalid_argument, "the value is no sequence and no map");
    if (index < 0 || static_cast<size_t>(index) >= value->items.size())
      fail(code_invalid_argument, "there is no item " + std::to_string(index));
    *out = new Value(*value->items[static_cast<size_t>(index)]);
  });
}
Status* CreateValue(const Value* const* items, size_t count, int kind, Value** out) {
  return guarded([&] {
    need(out);
    if (count) need(items);
    auto value = std::make_unique<Value>();
    value->kind = kind;
    for (size_t i = 0; i < count; ++i) {
      need(items[i]);
      value->items.push_back(std::make_shared<Value>(*items[i]));
    }
    if (kind == kind_map) {
      if (count != 2) fail(code_invalid_argument, "a map is made of two tensors, its keys and its values");
    } else if (kind != kind_sequence) {
      fail(code_invalid_argument, "values are made of others as sequences and maps alone");
    } else if (count == 0) {
      fail(code_invalid_argument, "a sequence of nothing has no type");
    } else {
      value->element = value->items[0]->element;
    }
    to_tessera(*value);  // what cannot be one is refused here
    *out = value.release();
  });
}

}  // namespace tessera::ort
