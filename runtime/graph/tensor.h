// Type, View and Tensor: what a value is, what a kernel sees of it, and what owns it.
#pragma once

#include <compare>
#include <cstring>
#include <memory>

#include "runtime/base/dtype.h"
#include "runtime/base/half.h"
#include "runtime/base/memory.h"
#include "runtime/base/run_vector.h"
#include "runtime/base/shape.h"

namespace tessera {

/// What a layout does to elements. Each backend describes its own layouts, and none of another's.
struct LayoutForm {
  Text name;
  int64_t block = 1;                  ///< [N,C,H,W] lies as [N, ceil(C/block), H, W, block]; channels beyond C are zero
  DType float32_as = DType::float32;  ///< what float32 elements are stored as
  const LayoutForm* otherwise = nullptr;  ///< of tensors to which this one does nothing; null: row_major

  /// Blocks are for four axes. A layout that stores float32 as something else is for float32 alone.
  constexpr bool is_for(DType dtype, int rank) const {
    if (block > 1 && rank != 4) return false;
    return float32_as == DType::float32 ? block > 1 : dtype == DType::float32;
  }
};
inline constexpr LayoutForm row_major_form{"row major"};

/// How a tensor's elements lie in memory. Shape and dtype are always the logical ones.
struct Layout {
  const LayoutForm* form = &row_major_form;

  static const Layout row_major;  ///< last axis fastest, elements as they are: all backends know it
  constexpr int64_t block() const { return form->block; }
  constexpr DType stored(DType dtype) const { return dtype == DType::float32 ? form->float32_as : dtype; }
  /// This layout; for tensors to which it does nothing, the one that it names for them, or row_major.
  constexpr Layout of(DType dtype, int rank) const {
    if (form->is_for(dtype, rank)) return *this;
    return form->otherwise ? Layout{form->otherwise}.of(dtype, rank) : Layout{};
  }
  friend constexpr auto operator<=>(const Layout&, const Layout&) = default;
};
inline constexpr Layout Layout::row_major{};

struct Type {
  DType dtype = DType::undefined;
  Shape shape;
  Layout layout = Layout::row_major;

  /// Elements as stored: with the channels that fill the last block.
  int64_t stored_elements() const;
  /// Bytes as stored; throws Error::shape where that overflows.
  int64_t bytes() const;

  friend bool operator==(const Type&, const Type&) = default;
  /// Prints as float32[1,3,64,64].
  friend std::ostream& operator<<(std::ostream& out, const Type& type);
};

/// What a kernel sees of a tensor. Owns nothing.
struct View {
  Type type;
  std::byte* data = nullptr;  ///< null for an optional input that is absent; else aligned to 64 bytes
                              ///< unless it lies in a model file or in a caller's buffer
  /// Rows from one block of channels of a blocked picture to the next; 0: its height. Fewer for what lies within a
  /// wave (runtime/plan/waves.h), which alone kernels that compute rows apart (Args::rows) need to heed.
  int64_t plane_rows = 0;

  explicit operator bool() const { return data != nullptr; }
  const Shape& shape() const { return type.shape; }
  int64_t elements() const { return type.shape.elements(); }
  /// Elements from one block of channels of a blocked picture to the next.
  int64_t plane() const { return (plane_rows ? plane_rows : shape()[2]) * shape()[3] * type.layout.block(); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
};

/// An owned tensor, or a part of a mapped model file kept alive by `bytes`.
struct Tensor {
  Type type;
  std::shared_ptr<std::byte> bytes;

  /// A new tensor: zeroed, aligned to 64 bytes; string elements are constructed empty.
  /// Throws Error::memory when there is no room.
  static Tensor make(const Type& type);
  /// The same where many tensors are made at once to live long (allocate_shared).
  static Tensor make_packed(const Type& type);
  /// The same where its elements are written before they are read: they are not zeroed.
  static Tensor make_from(const Recycler& memory, const Type& type);
  static Tensor of(List<int64_t> values);  ///< an int64 vector
  static Tensor scalar(int64_t value);     ///< an int64 scalar

  /// Gives back the memory of elements that lie in a mapped file, where a copy in another form has been
  /// made; they are read again when they are needed. Other tensors stay as they are.
  void drop_pages() const;

  /// A copy that owns its bytes.
  Tensor clone() const;
  /// Whether T* may be used on the elements. Large weights that lie in a model file may be anywhere.
  bool is_aligned() const;
  /// This tensor, or a clone of it if it is not aligned.
  Tensor aligned() const { return is_aligned() ? *this : clone(); }
  View view() const { return {type, bytes.get()}; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(bytes.get());
  }
};

/// Copies elements between equal types; strings are copied as objects.
void copy_elements(const View& from, const View& to);

/// Element `i` as a number, whatever its dtype (packed ones too); 0 for strings and complex.
double element_as_double(const View& view, int64_t i);
/// Stores a number into element `i`, rounded to the view's dtype.
void set_element(const View& view, int64_t i, double value);
/// An integer or boolean tensor's elements.
std::vector<int64_t> as_integers(const View& view);

/// Calls f.template operator()<T>() with the C++ type of `type`. Packed 2- and 4-bit types are
/// not visited: they throw Error::type, as do types that `f` has no use for if it throws itself.
template <class F>
decltype(auto) visit(DType type, F&& f) {
  switch (type) {
    case DType::float32: return f.template operator()<float>();
    case DType::float64: return f.template operator()<double>();
    case DType::float16: return f.template operator()<float16>();
    case DType::bfloat16: return f.template operator()<bfloat16>();
    case DType::int8: return f.template operator()<int8_t>();
    case DType::int16: return f.template operator()<int16_t>();
    case DType::int32: return f.template operator()<int32_t>();
    case DType::int64: return f.template operator()<int64_t>();
    case DType::uint8: return f.template operator()<uint8_t>();
    case DType::uint16: return f.template operator()<uint16_t>();
    case DType::uint32: return f.template operator()<uint32_t>();
    case DType::uint64: return f.template operator()<uint64_t>();
    case DType::boolean: return f.template operator()<bool>();
    default: fail(Error::Kind::type, "no implementation for ", name_of(type));
  }
}

/// As visit, but by size: for operators that only move bits. F sees an unsigned integer of the
/// element's size, a 16-byte struct, or String.
struct Bits128 {
  uint64_t low, high;
};
template <class F>
decltype(auto) visit_bits(DType type, F&& f) {
  if (type == DType::string) return f.template operator()<String>();
  switch (bits_of(type)) {
    case 8: return f.template operator()<uint8_t>();
    case 16: return f.template operator()<uint16_t>();
    case 32: return f.template operator()<uint32_t>();
    case 64: return f.template operator()<uint64_t>();
    case 128: return f.template operator()<Bits128>();
    default: fail(Error::Kind::type, "no implementation for ", name_of(type));
  }
}

}  // namespace tessera
