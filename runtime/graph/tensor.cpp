#include "runtime/graph/tensor.h"

#include <algorithm>
#include <new>
#include <ostream>

#include "runtime/base/mapped_file.h"
#include "runtime/base/rounding.h"

namespace tessera {
namespace {

constexpr size_t alignment = 64;

// A packed element: its byte and its shift within it.
uint8_t packed_bits(const View& view, int64_t i, int bits) {
  const int per_byte = 8 / bits;
  const uint8_t byte = view.as<const uint8_t>()[i / per_byte];
  return static_cast<uint8_t>((byte >> (i % per_byte * bits)) & ((1 << bits) - 1));
}

void set_packed_bits(const View& view, int64_t i, int bits, unsigned value) {
  const int per_byte = 8 / bits, shift = static_cast<int>(i % per_byte) * bits;
  uint8_t& byte = view.as<uint8_t>()[i / per_byte];
  const unsigned mask = ((1u << bits) - 1) << shift;
  byte = static_cast<uint8_t>((byte & ~mask) | ((value << shift) & mask));
}

int sign_extend(unsigned value, int bits) {
  const unsigned sign = 1u << (bits - 1);
  return static_cast<int>(value ^ sign) - static_cast<int>(sign);
}

template <class T>
T from_double(double value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value != 0;
  } else if constexpr (std::is_integral_v<T>) {
    // Out of range is clamped: a plain conversion would be undefined.
    constexpr double low = static_cast<double>(std::numeric_limits<T>::min());
    constexpr double high = static_cast<double>(std::numeric_limits<T>::max());
    if (!(value > low)) return value == value ? std::numeric_limits<T>::min() : T(0);
    if (value >= high) return std::numeric_limits<T>::max();
    return static_cast<T>(value);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value);
  } else {
    return T(static_cast<float>(value));
  }
}

}  // namespace

int64_t Type::stored_elements() const {
  if (layout.block() == 1) return shape.elements();
  Shape stored = shape;
  stored[1] = round_up(stored[1], layout.block());
  return stored.elements();
}

int64_t Type::bytes() const {
  const int64_t count = stored_elements();
  const int bits = bits_of(layout.stored(dtype));
  if (bits < 8) return (count * bits + 7) / 8;
  int64_t bytes;
  if (__builtin_mul_overflow(count, static_cast<int64_t>(bits / 8), &bytes) || bytes > (int64_t{1} << 62))
    fail(Error::Kind::shape, "tensor ", *this, " is too large");
  return bytes;
}

std::ostream& operator<<(std::ostream& out, const Type& type) { return out << name_of(type.dtype) << type.shape; }

namespace {

template <class Allocate>
Tensor make_in(const Type& type, const Allocate& allocate) {
  Tensor tensor{type, nullptr};
  const int64_t bytes = type.bytes();
  // One cache line more, so that vector code may read past the last element.
  tensor.bytes = allocate(static_cast<size_t>(bytes) + alignment);
  if (!tensor.bytes) fail(Error::Kind::memory, "no memory for a tensor ", type, " of ", bytes, " bytes");
  if (type.dtype != DType::string) return tensor;
  const int64_t count = type.stored_elements();
  auto* strings = tensor.as<String>();
  for (int64_t i = 0; i < count; ++i) new (strings + i) String;
  const auto destroy = [count, memory = tensor.bytes](std::byte* p) {
    std::destroy_n(reinterpret_cast<String*>(p), count);
  };
  tensor.bytes = {tensor.bytes.get(), destroy};
  return tensor;
}

}  // namespace

Tensor Tensor::make(const Type& type) { return make_in(type, allocate_zeroed); }
Tensor Tensor::make_packed(const Type& type) { return make_in(type, allocate_shared); }
Tensor Tensor::make_from(const Recycler& memory, const Type& type) {
  // Strings are objects, whose buffer has an end of its own.
  if (type.dtype == DType::string) return make(type);
  return make_in(type, [&](size_t bytes) { return memory.allocate(bytes); });
}

Tensor Tensor::of(List<int64_t> values) {
  Tensor tensor = make({DType::int64, {static_cast<int64_t>(values.size())}});
  std::copy(values.begin(), values.end(), tensor.as<int64_t>());
  return tensor;
}

Tensor Tensor::scalar(int64_t value) {
  Tensor tensor = make({DType::int64, {}});
  *tensor.as<int64_t>() = value;
  return tensor;
}

void Tensor::drop_pages() const { MappedFile::drop_pages(bytes.get(), static_cast<size_t>(type.bytes())); }

Tensor Tensor::clone() const {
  Tensor copy = make(type);
  copy_elements(view(), copy.view());
  return copy;
}

bool Tensor::is_aligned() const {
  const int bits = type.dtype == DType::complex64 ? 32 : std::clamp(bits_of(type.dtype), 8, 64);
  return reinterpret_cast<uintptr_t>(bytes.get()) % static_cast<unsigned>(bits / 8) == 0;
}

void copy_elements(const View& from, const View& to) {
  if (from.type.dtype == DType::string) {
    std::copy_n(from.as<const String>(), from.elements(), to.as<String>());
    return;
  }
  const int64_t bytes = from.type.bytes();
  if (bytes && from.data != to.data) std::memcpy(to.data, from.data, static_cast<size_t>(bytes));
}

double element_as_double(const View& view, int64_t i) {
  switch (view.type.dtype) {
    case DType::uint4: return packed_bits(view, i, 4);
    case DType::int4: return sign_extend(packed_bits(view, i, 4), 4);
    case DType::uint2: return packed_bits(view, i, 2);
    case DType::int2: return sign_extend(packed_bits(view, i, 2), 2);
    case DType::float4e2m1: {
      float4e2m1 value;
      value.bits = packed_bits(view, i, 4);
      return value;
    }
    case DType::float8e4m3fn: return view.as<float8e4m3fn>()[i];
    case DType::float8e4m3fnuz: return view.as<float8e4m3fnuz>()[i];
    case DType::float8e5m2: return view.as<float8e5m2>()[i];
    case DType::float8e5m2fnuz: return view.as<float8e5m2fnuz>()[i];
    case DType::float8e8m0: return view.as<float8e8m0>()[i];
    case DType::string:
    case DType::complex64:
    case DType::complex128:
    case DType::undefined: return 0;
    default:
      return visit(view.type.dtype, [&]<class T>() {
        T value;  // copied, because weights in a model file may lie anywhere
        std::memcpy(&value, view.data + static_cast<size_t>(i) * sizeof(T), sizeof(T));
        return static_cast<double>(value);
      });
  }
}

void set_element(const View& view, int64_t i, double value) {
  const auto real = static_cast<float>(value);
  switch (view.type.dtype) {
    case DType::uint4: set_packed_bits(view, i, 4, from_double<uint8_t>(std::clamp(value, 0.0, 15.0))); break;
    case DType::int4:
      set_packed_bits(view, i, 4, static_cast<unsigned>(from_double<int8_t>(std::clamp(value, -8.0, 7.0))));
      break;
    case DType::uint2: set_packed_bits(view, i, 2, from_double<uint8_t>(std::clamp(value, 0.0, 3.0))); break;
    case DType::int2:
      set_packed_bits(view, i, 2, static_cast<unsigned>(from_double<int8_t>(std::clamp(value, -2.0, 1.0))));
      break;
    case DType::float4e2m1: set_packed_bits(view, i, 4, float4e2m1(real).bits); break;
    case DType::float8e4m3fn: view.as<float8e4m3fn>()[i] = float8e4m3fn(real, true); break;
    case DType::float8e4m3fnuz: view.as<float8e4m3fnuz>()[i] = float8e4m3fnuz(real, true); break;
    case DType::float8e5m2: view.as<float8e5m2>()[i] = float8e5m2(real, true); break;
    case DType::float8e5m2fnuz: view.as<float8e5m2fnuz>()[i] = float8e5m2fnuz(real, true); break;
    case DType::string:
    case DType::complex64:
    case DType::complex128:
    case DType::float8e8m0:
    case DType::undefined: fail(Error::Kind::type, "cannot store a number in a ", name_of(view.type.dtype));
    default: visit(view.type.dtype, [&]<class T>() { view.as<T>()[i] = from_double<T>(value); });
  }
}

std::vector<int64_t> as_integers(const View& view) {
  const int64_t count = view.elements();
  std::vector<int64_t> values(static_cast<size_t>(count));
  visit(view.type.dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T>)
      for (int64_t i = 0; i < count; ++i) values[i] = static_cast<int64_t>(view.as<T>()[i]);
    else
      fail(Error::Kind::type, "expected integers, got ", view.type);
  });
  return values;
}

}  // namespace tessera
