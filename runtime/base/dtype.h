// Data types of tensors: one table, in the order of ONNX's TensorProto.DataType.
#pragma once

#include "runtime/base/base.h"

namespace tessera {

// X(name, ONNX number, bits per element). A string element is a std::string object.
#define TESSERA_DTYPES(X)  \
  X(undefined, 0, 0)       \
  X(float32, 1, 32)        \
  X(uint8, 2, 8)           \
  X(int8, 3, 8)            \
  X(uint16, 4, 16)         \
  X(int16, 5, 16)          \
  X(int32, 6, 32)          \
  X(int64, 7, 64)          \
  X(string, 8, 256)        \
  X(boolean, 9, 8)         \
  X(float16, 10, 16)       \
  X(float64, 11, 64)       \
  X(uint32, 12, 32)        \
  X(uint64, 13, 64)        \
  X(complex64, 14, 64)     \
  X(complex128, 15, 128)   \
  X(bfloat16, 16, 16)      \
  X(float8e4m3fn, 17, 8)   \
  X(float8e4m3fnuz, 18, 8) \
  X(float8e5m2, 19, 8)     \
  X(float8e5m2fnuz, 20, 8) \
  X(uint4, 21, 4)          \
  X(int4, 22, 4)           \
  X(float4e2m1, 23, 4)     \
  X(float8e8m0, 24, 8)     \
  X(uint2, 25, 2)          \
  X(int2, 26, 2)

enum class DType : uint8_t {
#define X(name, number, bits) name = number,
  TESSERA_DTYPES(X)
#undef X
};

inline constexpr int dtype_count = 27;

/// Bits of one element; 4- and 2-bit elements are packed, the first in the lowest bits.
constexpr int bits_of(DType type) {
  switch (type) {
#define X(name, number, bits) \
  case DType::name: return bits;
    TESSERA_DTYPES(X)
#undef X
  }
  return 0;
}

/// The name used in messages and on the command line ("float32").
constexpr Text name_of(DType type) {
  switch (type) {
#define X(name, number, bits) \
  case DType::name: return #name;
    TESSERA_DTYPES(X)
#undef X
  }
  return "unknown";
}

constexpr bool is_float(DType t) {
  return t == DType::float32 || t == DType::float16 || t == DType::float64 || t == DType::bfloat16;
}

}  // namespace tessera
