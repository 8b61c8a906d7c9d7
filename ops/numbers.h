// How references read and write numbers: as float, double or wide integers, whatever the tensor's
// dtype, so that one loop serves them all.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>

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

/// A tensor's elements as T: the tensor's own bytes where they are T already, else a converted copy.
template <class T>
class Read {
 public:
  Read() = default;
  explicit Read(const View& view) {
    if (!view.data) return;
    count_ = view.elements();
    visit_or_packed(view);
  }
  explicit Read(const Tensor& tensor) : Read(tensor.view()) {}
  // data_ may point into own_: moving a vector keeps its bytes where they are.
  Read(Read&&) noexcept = default;
  Read& operator=(Read&&) noexcept = default;

  explicit operator bool() const { return data_ != nullptr; }
  int64_t size() const { return count_; }
  const T* data() const { return data_; }
  T operator[](int64_t i) const {
    check_place(data_, i, count_);
    return data_[i];
  }

 private:
  void visit_or_packed(const View& view) {
    if (bits_of(view.type.dtype) < 8 || bits_of(view.type.dtype) == 8) return convert_small(view);
    visit(view.type.dtype, [&]<class S>() {
      const S* from = view.as<const S>();
      if constexpr (std::is_same_v<S, T>) {
        data_ = from;
      } else {
        own_.resize(static_cast<size_t>(count_) + 1);
        for (int64_t i = 0; i < count_; ++i) own_[static_cast<size_t>(i)] = static_cast<T>(from[i]);
        data_ = own_.data();
      }
    });
  }

  // Bytes and less have at most 256 values: a table of them all.
  void convert_small(const View& view) {
    own_.resize(static_cast<size_t>(count_) + 1);
    data_ = own_.data();
    if (bits_of(view.type.dtype) < 8) {
      for (int64_t i = 0; i < count_; ++i) own_[static_cast<size_t>(i)] = wrap(element_as_double(view, i));
      return;
    }
    T table[256];
    uint8_t byte = 0;
    const View one{{view.type.dtype, {}}, reinterpret_cast<std::byte*>(&byte)};
    for (int i = 0; i < 256; ++i) {
      byte = static_cast<uint8_t>(view.type.dtype == DType::boolean ? i != 0 : i);
      table[i] = wrap(element_as_double(one, 0));
    }
    const uint8_t* from = view.as<const uint8_t>();
    for (int64_t i = 0; i < count_; ++i) own_[static_cast<size_t>(i)] = table[from[i]];
  }

  static T wrap(double value) {
    if constexpr (std::is_integral_v<T>)
      return static_cast<T>(static_cast<int64_t>(value));
    else
      return static_cast<T>(value);
  }

  std::vector<T> own_;
  const T* data_ = nullptr;
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
        if constexpr (std::is_arithmetic_v<S>)
          to[i] = static_cast<S>(own_[static_cast<size_t>(i)]);
        else
          to[i] = S(static_cast<float>(own_[static_cast<size_t>(i)]));
      }
    });
  }

  View view_;
  std::vector<T> own_;
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

/// Output 0 gets input 0's shape.
inline void infer_same(Infer& n) { n.set(0, n.shape(0)); }

}  // namespace tessera::ops
