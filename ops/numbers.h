// How references read and write numbers: as float, double or wide integers, whatever the tensor's
// dtype, so that one loop serves them all.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "ops/elements.h"
#include "runtime/graph/op.h"

namespace tessera::ops {

/// What a reference relies on: the tensor is there, and has that element. Builds for finding faults (debug and
/// sanitizers) end the process where it is not so.
inline void check_place(const void* data, int64_t i, int64_t count) {
#ifdef TESSERA_CHECKED
  if (!data || i < 0 || i >= count) {
    std::fprintf(stderr, "element %lld of %lld is asked for\n", static_cast<long long>(i),
                 static_cast<long long>(count));
    std::abort();
  }
#else
  (void)i, (void)count;
  if (!data) __builtin_unreachable();  // who reads an optional tensor has asked whether it is there
#endif
}

/// A tensor's elements as T: the tensor's own bytes where they are T already. Of others a converted copy is made where
/// that is little, or asked for; else each element is converted when it is read.
template <class T>
class Read {
 public:
  Read() = default;
  explicit Read(const View& view) : view_(view) {
    if (!view.data) return;
    constexpr int64_t most_copied = (int64_t{16} << 20) / static_cast<int64_t>(sizeof(T));
    count_ = view.elements();
    choose();
    if (!data_ && count_ <= most_copied) copy();
  }
  explicit Read(const Tensor& tensor) : Read(tensor.view()) {}
  // data_ may point into own_: moving a vector keeps its bytes where they are.
  Read(Read&&) noexcept = default;
  Read& operator=(Read&&) noexcept = default;

  explicit operator bool() const { return view_.data != nullptr; }
  int64_t size() const { return count_; }
  /// All of them side by side.
  const T* data() const {
    if (!data_ && view_.data) copy();
    return data_;
  }
  T operator[](int64_t i) const {
    check_place(view_.data, i, count_);
    return data_ ? data_[i] : get_(view_, i);
  }

 private:
  using Get = T (*)(const View&, int64_t);

  void choose() {
    const DType dtype = view_.type.dtype;
    if (dtype == DType::boolean) {
      get_ = [](const View& view, int64_t i) { return static_cast<T>(view.as<const uint8_t>()[i] != 0); };
      if constexpr (std::is_same_v<T, bool>) data_ = view_.as<const bool>();
      return;
    }
    if (bits_of(dtype) < 8 || (bits_of(dtype) == 8 && dtype != DType::int8 && dtype != DType::uint8)) {
      get_ = [](const View& view, int64_t i) { return wrap(element_as_double(view, i)); };
      return;
    }
    visit(dtype, [&]<class S>() {
      if constexpr (std::is_same_v<S, T>)
        data_ = view_.as<const S>();
      else
        get_ = [](const View& view, int64_t i) { return static_cast<T>(view.as<const S>()[i]); };
    });
  }

  void copy() const {
    own_.resize(static_cast<size_t>(count_) + 1);
    const DType dtype = view_.type.dtype;
    if (bits_of(dtype) < 8) {
      for (const int64_t i : Elements(count_)) own_[static_cast<size_t>(i)] = get_(view_, i);
    } else if (bits_of(dtype) == 8) {
      copy_bytes();
    } else {
      visit(dtype, [&]<class S>() {
        const S* from = view_.as<const S>();
        in_pieces(count_, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) own_[static_cast<size_t>(i)] = static_cast<T>(from[i]);
        });
      });
    }
    data_ = own_.data();
  }

  // Bytes have 256 values: a table of them all.
  void copy_bytes() const {
    T table[256];
    uint8_t byte = 0;
    const View one{{view_.type.dtype, {}}, reinterpret_cast<std::byte*>(&byte)};
    for (int i = 0; i < 256; ++i) {
      byte = static_cast<uint8_t>(i);
      table[i] = get_(one, 0);
    }
    const uint8_t* from = view_.as<const uint8_t>();
    in_pieces(count_, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) own_[static_cast<size_t>(i)] = table[from[i]];
    });
  }

  static T wrap(double value) {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<int64_t>(value));
    else
      return static_cast<T>(value);
  }

  View view_;
  mutable RunVector<T> own_;
  mutable const T* data_ = nullptr;
  Get get_ = nullptr;  ///< where the tensor's own elements are no T
  int64_t count_ = 0;
};

/// Room for a tensor's elements as T; `store` (or the end) rounds them into the tensor.
template <class T>
class Write {
 public:
  explicit Write(const View& view) : view_(view) {
    if (!view.data) return;
    count_ = view.elements();
    visit(view.type.dtype, [&]<class S>() {
      if constexpr (std::is_same_v<S, T>) {
        data_ = view.as<S>();
      } else {
        own_.resize(static_cast<size_t>(count_) + 1);
        data_ = own_.data();
      }
    });
  }
  Write(const Write&) = delete;
  Write& operator=(const Write&) = delete;
  ~Write() { store(); }

  explicit operator bool() const { return data_ != nullptr; }
  T* data() { return data_; }
  T& operator[](int64_t i) {
    check_place(data_, i, count_);
    return data_[i];
  }

 private:
  void store() {
    if (own_.empty()) return;
    visit(view_.type.dtype, [&]<class S>() {
      S* to = view_.as<S>();
      for (int64_t i = 0; i < count_; ++i) {
        if (i % 65536 == 0 && stop_requested()) return;  // nobody looks at the rest
        if constexpr (std::is_arithmetic_v<S>)
          to[i] = static_cast<S>(own_[static_cast<size_t>(i)]);
        else
          to[i] = S(static_cast<float>(own_[static_cast<size_t>(i)]));
      }
    });
  }

  View view_;
  RunVector<T> own_;
  T* data_ = nullptr;
  int64_t count_ = 0;
};

/// Calls f with double for float64, else with float: what operators over real numbers compute in.
template <class F>
decltype(auto) visit_real(DType type, F&& f) {
  return type == DType::float64 ? f.template operator()<double>() : f.template operator()<float>();
}

/// Element `i` of an optional scalar or vector input, or `otherwise` where it is absent.
inline double number_or(const Args& a, size_t input, double otherwise, int64_t i = 0) {
  return a.has_in(input) && i < a.in[input].elements() ? element_as_double(a.in[input], i) : otherwise;
}

/// The same of integers, as they are: not every int64 is a double.
inline int64_t integer_or(const Args& a, size_t input, int64_t otherwise, int64_t i = 0) {
  if (!a.has_in(input) || i >= a.in[input].elements()) return otherwise;
  const View& view = a.in[input];
  return visit(view.type.dtype, [&]<class T>() -> int64_t {
    if constexpr (std::is_integral_v<T>) return static_cast<int64_t>(view.as<const T>()[i]);
    fail(Error::Kind::type, "expected integers, got ", view.type);
  });
}

/// Output 0 gets input 0's shape.
inline void infer_same(Infer& n) { n.set(0, n.shape(0)); }

}  // namespace tessera::ops
