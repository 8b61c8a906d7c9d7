// DLPack's structs, by which libraries of arrays hand each other their memory.
#pragma once

#include <cstdint>

namespace tessera::python::dlpack {

inline constexpr const char *fresh = "dltensor", *used = "used_dltensor";
inline constexpr int32_t cpu = 1, cuda_host = 3;
enum : uint8_t {
  integer = 0,
  unsigned_integer = 1,
  floating = 2,
  bfloat = 4,
  complex = 5,
  boolean = 6,
  float8_e4m3fn = 10,
  float8_e4m3fnuz = 11,
  float8_e5m2 = 12,
  float8_e5m2fnuz = 13,
  float8_e8m0fnu = 14,
};

struct Device {
  int32_t type, id;
};
struct DataType {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DenseTensor {
  void* data;
  Device device;
  int32_t rank;
  DataType dtype;
  int64_t *dims, *strides;  // strides in elements; NULL: row-major
  uint64_t offset;          // of the first element behind data, in bytes
};
struct ManagedTensor {
  DenseTensor tensor;
  void* context;
  void (*deleter)(ManagedTensor*);
};

}  // namespace tessera::python::dlpack
