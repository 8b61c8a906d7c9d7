// A tensor's extents. Up to eight live inside the object, so that planning and running
// copy shapes without touching the heap.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <ostream>
#include <vector>

#include "runtime/base/base.h"

namespace tessera {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) { assign(dims.begin(), dims.size()); }
  explicit Shape(List<int64_t> dims) { assign(dims.data(), dims.size()); }
  Shape(size_t rank, int64_t value) {
    for (size_t i = 0; i < rank; ++i) push_back(value);
  }

  size_t size() const { return size_; }
  int rank() const { return static_cast<int>(size_); }
  bool empty() const { return size_ == 0; }
  int64_t* data() { return size_ > inline_rank ? more_.data() : dims_; }
  const int64_t* data() const { return size_ > inline_rank ? more_.data() : dims_; }
  int64_t& operator[](size_t i) { return data()[i]; }
  int64_t operator[](size_t i) const { return data()[i]; }
  int64_t* begin() { return data(); }
  int64_t* end() { return data() + size_; }
  const int64_t* begin() const { return data(); }
  const int64_t* end() const { return data() + size_; }
  int64_t back() const { return data()[size_ - 1]; }
  operator List<int64_t>() const { return {data(), size_}; }

  void push_back(int64_t dim) {
    if (size_ < inline_rank) {
      dims_[size_++] = dim;
      return;
    }
    if (size_ == inline_rank) more_.assign(dims_, dims_ + size_);
    more_.push_back(dim);
    ++size_;
  }

  void insert(size_t at, int64_t dim) {
    push_back(dim);
    std::rotate(begin() + at, end() - 1, end());
  }

  /// The product of all extents; 1 for a scalar. Throws Error::shape where the product of those that are not 0
  /// is 2^56 or more: then strides and small multiples of extents fit into 64 bits, those of empty tensors too.
  int64_t elements() const { return elements(0, size_); }

  /// The product of extents [from, to).
  int64_t elements(size_t from, size_t to) const {
    int64_t product = 1;
    bool empty = false;
    for (size_t i = from; i < to; ++i) {
      const int64_t extent = (*this)[i];
      empty |= extent == 0;
      if (extent != 0 && (__builtin_mul_overflow(product, extent, &product) || product >= (int64_t{1} << 56)))
        fail(Error::Kind::shape, "shape ", *this, " has too many elements");
    }
    return empty ? 0 : product;
  }

  friend bool operator==(const Shape& a, const Shape& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

  /// Prints as [1,3,64,64]; an extent that is not known (-1) prints as ?.
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '[';
    for (size_t i = 0; i < shape.size(); ++i) {
      if (i) out << ',';
      if (shape[i] < 0)
        out << '?';
      else
        out << shape[i];
    }
    return out << ']';
  }

 private:
  static constexpr size_t inline_rank = 8;

  void assign(const int64_t* dims, size_t count) {
    size_ = count;
    if (count > inline_rank)
      more_.assign(dims, dims + count);
    else
      std::copy(dims, dims + count, dims_);
  }

  size_t size_ = 0;
  int64_t dims_[inline_rank] = {};
  std::vector<int64_t> more_;
};

}  // namespace tessera
