// From TensorProto to Tensor: where its elements are (raw bytes, typed lists, another file, sparse
// coordinates), and every check before they are believed.
#pragma once

#include <map>
#include <optional>

#include "runtime/base/mapped_file.h"
#include "runtime/onnx/load.h"
#include "runtime/onnx/proto.h"

namespace tessera::onnx {

/// Where a model's bytes come from.
struct Source {
  std::string name;                        ///< for messages
  std::shared_ptr<const void> owner;       ///< keeps the bytes alive; tensors alias them
  Text bytes = {};                         ///< all of them
  std::shared_ptr<const MappedFile> file;  ///< the same, where it is a file
  std::optional<std::string> directory;    ///< where external data may lie; none for a model in memory
  std::string linked = {};                 ///< where links to it may lead: see MappedFile::open_beneath
  bool copy = false;                       ///< files are copied, not mapped
};

/// The dtype with this ONNX number; throws Error::model for 0 and unknown ones.
DType dtype_of(int32_t number);

/// Makes tensors that alias the source where they can. Elements that do not lie at a multiple of
/// their own size are copied when the tensor is small; larger ones stay in the file as they are
/// until someone asks for Tensor::aligned(), so that loading touches no weights.
class Weights {
 public:
  Weights(Source source, const Limits& limits) : source_(std::move(source)), limits_(limits) {}

  Tensor dense(const proto::Tensor& proto);
  /// Densified.
  Tensor sparse(const proto::SparseTensor& proto);

  /// The file's names and small tensors have been read: their pages may go.
  void drop_pages() const {
    if (source_.file) source_.file->drop_pages();
  }

 private:
  Type type_of(const proto::Tensor& proto) const;
  Shape shape_of(const Packed<int64_t>& dims) const;
  Text external(const proto::Tensor& proto, uint64_t bytes, std::shared_ptr<const void>& owner);
  /// Without an owner the bytes are copied.
  Tensor from_raw(const Type& type, Text bytes, std::shared_ptr<const void> owner);
  Tensor from_lists(const proto::Tensor& proto, const Type& type);
  Tensor decoded(const Type& type);
  void charge(int64_t& spent, int64_t bytes, int64_t limit, Text what) const;

  Source source_;
  Limits limits_;
  int64_t decoded_bytes_ = 0, sparse_bytes_ = 0;
  unsigned copies_ = 0;
  std::map<std::string, std::shared_ptr<const MappedFile>, std::less<>> files_;
};

}  // namespace tessera::onnx
