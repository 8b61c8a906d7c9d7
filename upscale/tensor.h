// Tensors as the upscaler knows them: dense, row-major, of numbers that pictures are made of.
#pragma once

#include <memory>

#include "runtime/base/dtype.h"
#include "runtime/base/half.h"
#include "runtime/base/memory.h"
#include "runtime/base/shape.h"

namespace tessera::upscale {

struct Type {
  DType dtype = DType::undefined;
  Shape shape;

  /// Throws Error::shape where that overflows.
  int64_t bytes() const { return shape.elements() * (bits_of(dtype) / 8); }
  friend bool operator==(const Type&, const Type&) = default;
  /// Prints as float32[1,3,64,64].
  friend std::ostream& operator<<(std::ostream& out, const Type& type) {
    return out << name_of(type.dtype) << type.shape;
  }
};

/// A tensor in someone's memory.
struct View {
  Type type;
  std::byte* data = nullptr;

  const Shape& shape() const { return type.shape; }
  int64_t elements() const { return type.shape.elements(); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

/// A tensor that owns its bytes, or a share of what does.
struct Tensor {
  Type type;
  std::shared_ptr<std::byte> bytes;

  /// Zeroed, aligned to 64 bytes. Throws Error::memory when there is no room.
  static Tensor make(const Type& type);
  /// The same where its elements are written before they are read: they are not zeroed.
  static Tensor make_from(const Recycler& memory, const Type& type);
  View view() const { return {type, bytes.get()}; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(bytes.get());
  }
};

/// Calls f.template operator()<T>() with the C++ type of samples of that type. Throws Error::type for others.
template <class F>
decltype(auto) visit(DType type, F&& f) {
  switch (type) {
    case DType::float32: return f.template operator()<float>();
    case DType::float64: return f.template operator()<double>();
    case DType::float16: return f.template operator()<float16>();
    case DType::bfloat16: return f.template operator()<bfloat16>();
    case DType::uint8: return f.template operator()<uint8_t>();
    case DType::uint16: return f.template operator()<uint16_t>();
    default: fail(Error::Kind::type, "a picture's samples are not ", name_of(type));
  }
}

/// Element `i` as a number.
double element_as_double(const View& view, int64_t i);
/// Stores a number into element `i`; for integers it is cut off and clamped.
void set_element(const View& view, int64_t i, double value);

}  // namespace tessera::upscale
