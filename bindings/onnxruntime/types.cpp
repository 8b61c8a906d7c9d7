// Types as programs ask for them.
#include <cstring>

#include "bindings/onnxruntime/table.h"

namespace tessera::ort {
namespace {

// 2-bit numbers and FLOAT8E8M0 came into this interface in another order than into ONNX.
constexpr int element_uint2 = 24, element_int2 = 25, element_float8e8m0 = 26, elements = 27;

/// A copy for the caller to own of what a container holds.
void copy_item(const TypeInfo* type, TypeInfo** out) {
  if (!type->item) fail(code_fail, "the model does not say what it holds");
  *out = new TypeInfo(*type->item);
}
/// The type itself if it is of that kind, else NULL.
Status* cast(const TypeInfo* info, int kind, const TypeInfo** out, const char* function = __builtin_FUNCTION()) {
  return guarded(
      [&] {
        need(info, out);
        *out = info->kind == kind ? info : nullptr;
      },
      function);
}

}  // namespace

tessera_dtype dtype_of(int element) {
  switch (element) {
    case element_uint2: return TESSERA_UINT2;
    case element_int2: return TESSERA_INT2;
    case element_float8e8m0: return TESSERA_FLOAT8E8M0;
    default: return element >= 0 && element < elements ? static_cast<tessera_dtype>(element) : TESSERA_UNDEFINED;
  }
}
int element_of(tessera_dtype dtype) {
  switch (dtype) {
    case TESSERA_UINT2: return element_uint2;
    case TESSERA_INT2: return element_int2;
    case TESSERA_FLOAT8E8M0: return element_float8e8m0;
    default: return dtype;
  }
}
size_t element_bits(int element) {
  switch (dtype_of(element)) {
    case TESSERA_UINT2:
    case TESSERA_INT2: return 2;
    case TESSERA_UINT4:
    case TESSERA_INT4:
    case TESSERA_FLOAT4E2M1: return 4;
    case TESSERA_UINT8:
    case TESSERA_INT8:
    case TESSERA_BOOL:
    case TESSERA_FLOAT8E4M3FN:
    case TESSERA_FLOAT8E4M3FNUZ:
    case TESSERA_FLOAT8E5M2:
    case TESSERA_FLOAT8E5M2FNUZ:
    case TESSERA_FLOAT8E8M0: return 8;
    case TESSERA_UINT16:
    case TESSERA_INT16:
    case TESSERA_FLOAT16:
    case TESSERA_BFLOAT16: return 16;
    case TESSERA_FLOAT32:
    case TESSERA_INT32:
    case TESSERA_UINT32: return 32;
    case TESSERA_FLOAT64:
    case TESSERA_INT64:
    case TESSERA_UINT64:
    case TESSERA_COMPLEX64: return 64;
    case TESSERA_COMPLEX128: return 128;
    case TESSERA_STRING:
    case TESSERA_UNDEFINED: return 0;
  }
  return 0;
}
size_t count_elements(const int64_t* dims, size_t rank) {
  size_t count = 1;
  for (size_t i = 0; i < rank; ++i) {
    if (dims[i] < 0) fail(code_invalid_argument, "an extent is negative: " + std::to_string(dims[i]));
    if (__builtin_mul_overflow(count, static_cast<size_t>(dims[i]), &count) || count > PTRDIFF_MAX / 16)
      fail(code_invalid_argument, "the shape has more elements than memory can have");
  }
  return count;
}
size_t count_bytes(const int64_t* dims, size_t rank, int element) {
  return (count_elements(dims, rank) * element_bits(element) + 7) / 8;
}
size_t Value::count() const { return count_elements(dims.data(), dims.size()); }

TypeInfo type_of(const Value& value) {
  TypeInfo type;
  type.kind = value.kind;
  if (value.kind == kind_tensor) {
    type.tensor = {value.element, true, value.dims, std::vector<std::string>(value.dims.size())};
  } else if (value.kind == kind_map) {
    type.tensor.element = value.items[0]->element;
    type.item = std::make_shared<TypeInfo>(type_of(*value.items[1]));
  } else if (!value.items.empty()) {
    type.item = std::make_shared<TypeInfo>(type_of(*value.items[0]));
  } else {
    TypeInfo item;
    item.kind = kind_tensor;
    item.tensor = {value.element, false, {}, {}};
    type.item = std::make_shared<TypeInfo>(item);
  }
  return type;
}

Status* CreateTensorTypeAndShapeInfo(TensorInfo** out) {
  return guarded([&] {
    need(out);
    *out = new TensorInfo;
  });
}
void ReleaseTensorTypeAndShapeInfo(TensorInfo* info) { delete info; }
void ReleaseTypeInfo(TypeInfo* info) { delete info; }
// Parts of a TypeInfo are owned by it.
void ReleaseMapTypeInfo(TypeInfo*) {}
void ReleaseSequenceTypeInfo(TypeInfo*) {}

Status* SetTensorElementType(TensorInfo* info, int element) {
  return guarded([&] {
    need(info);
    info->element = element;
  });
}
Status* SetDimensions(TensorInfo* info, const int64_t* dims, size_t rank) {
  return guarded([&] {
    need(info);
    if (rank) need(dims);
    info->dims.assign(dims, dims + rank);
    info->names.assign(rank, "");
    info->ranked = true;
  });
}
Status* SetSymbolicDimensions(TensorInfo* info, const char** names, size_t count) {
  return guarded([&] {
    need(info);
    if (count != info->dims.size()) fail(code_invalid_argument, "there are not as many names as extents");
    for (size_t i = 0; i < count; ++i) info->names[i] = names && names[i] ? names[i] : "";
  });
}
Status* GetTensorElementType(const TensorInfo* info, int* out) {
  return guarded([&] {
    need(info, out);
    *out = info->element;
  });
}
Status* GetDimensionsCount(const TensorInfo* info, size_t* out) {
  return guarded([&] {
    need(info, out);
    *out = info->dims.size();
  });
}
Status* GetDimensions(const TensorInfo* info, int64_t* out, size_t count) {
  return guarded([&] {
    need(info);
    for (size_t i = 0; i < count && i < info->dims.size(); ++i) {
      need(out);
      out[i] = info->dims[i];
    }
  });
}
Status* GetSymbolicDimensions(const TensorInfo* info, const char** out, size_t count) {
  return guarded([&] {
    need(info);
    for (size_t i = 0; i < count; ++i) {
      need(out);
      out[i] = i < info->names.size() ? info->names[i].c_str() : "";
    }
  });
}
Status* GetTensorShapeElementCount(const TensorInfo* info, size_t* out) {
  return guarded([&] {
    need(info, out);
    for (const int64_t extent : info->dims)
      if (extent < 0) {
        *out = static_cast<size_t>(-1);  // open
        return;
      }
    *out = count_elements(info->dims.data(), info->dims.size());
  });
}
bool TensorTypeAndShape_HasShape(const TensorInfo* info) { return info && info->ranked; }

Status* CastTypeInfoToTensorInfo(const TypeInfo* info, const TensorInfo** out) {
  return guarded([&] {
    need(info, out);
    *out = info->kind == kind_tensor ? &info->tensor : nullptr;
  });
}
Status* GetOnnxTypeFromTypeInfo(const TypeInfo* info, int* out) {
  return guarded([&] {
    need(info, out);
    *out = info->kind;
  });
}
Status* GetDenotationFromTypeInfo(const TypeInfo* info, const char** out, size_t* length) {
  return guarded([&] {
    need(info, out, length);
    *out = "";
    *length = 0;
  });
}
Status* CastTypeInfoToMapTypeInfo(const TypeInfo* info, const TypeInfo** out) { return cast(info, kind_map, out); }
Status* CastTypeInfoToSequenceTypeInfo(const TypeInfo* info, const TypeInfo** out) {
  return cast(info, kind_sequence, out);
}
Status* CastTypeInfoToOptionalTypeInfo(const TypeInfo* info, const TypeInfo** out) {
  return cast(info, kind_optional, out);
}
Status* GetMapKeyType(const TypeInfo* map, int* out) {
  return guarded([&] {
    need(map, out);
    *out = map->tensor.element;
  });
}
Status* GetMapValueType(const TypeInfo* map, TypeInfo** out) {
  return guarded([&] {
    need(map, out);
    copy_item(map, out);
  });
}
Status* GetSequenceElementType(const TypeInfo* sequence, TypeInfo** out) {
  return guarded([&] {
    need(sequence, out);
    copy_item(sequence, out);
  });
}
Status* GetOptionalContainedTypeInfo(const TypeInfo* optional, TypeInfo** out) {
  return guarded([&] {
    need(optional, out);
    copy_item(optional, out);
  });
}

}  // namespace tessera::ort
