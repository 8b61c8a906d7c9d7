// Tensors that Python owns a part in: results, and what came by DLPack.
#pragma once

#include "python.h"

namespace tessera::python {

struct Tensor {
  std::shared_ptr<void> owner;  ///< of the bytes
  tessera_dtype dtype = TESSERA_UNDEFINED;
  std::vector<int64_t> dims;
  std::vector<Py_ssize_t> shape, strides;  ///< the same for Python's buffers; strides in bytes
  void* data = nullptr;
  size_t bytes = 0;
  bool read_only = false;

  Tensor(const tessera_tensor& tensor, std::shared_ptr<void> owner_of_bytes);
  tessera_tensor c() const { return {dtype, dims.size(), dims.data(), data, bytes}; }
};
Ref wrap_tensor(const tessera_tensor& tensor, std::shared_ptr<void> owner, bool read_only = false);

/// A tensor that Python gave, and what keeps its memory where it is. From None (left out), a Tensor, a tuple (number of
/// the dtype, shape, bytes) or whatever has a buffer whose format tells its dtype.
class Given {
 public:
  explicit Given(PyObject* object, bool writable = false);
  tessera_tensor c() const { return {dtype_, dims_.size(), dims_.data(), data_, bytes_}; }

 private:
  tessera_dtype dtype_ = TESSERA_UNDEFINED;
  std::vector<int64_t> dims_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
  Buffer buffer_;
};
/// Those of a list, and their plain structs in one piece.
struct GivenList {
  std::vector<Given> given;
  std::vector<tessera_tensor> plain;
  explicit GivenList(PyObject* list, bool writable = false);
};

/// The dtype of one element of a buffer; TESSERA_UNDEFINED where there is none.
tessera_dtype dtype_of_format(const char* format, Py_ssize_t size);

}  // namespace tessera::python
