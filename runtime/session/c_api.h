// What the files of the C interface share.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>

#include "runtime/base/c_interface.h"
#include "runtime/base/float_environment.h"
#include "runtime/session/session.h"

struct tessera_session {
  explicit tessera_session(tessera::Session opened) : session(std::move(opened)) {}
  tessera::Session session;
  std::mutex mutex;
  /// Of the operators that the model uses: which, and how many nodes.
  std::vector<std::pair<const tessera::OpDef*, size_t>> operators;
  std::optional<tessera::Graph> folded;  ///< as it was loaded, with its constants folded: for walks
  tessera::Shape watched;                ///< what `work` is for
  std::vector<double> work;              ///< of each step that is told of: the part of all arithmetic
};

struct tessera_cancel {
  std::atomic<bool> requested{false};
  const std::atomic<bool>* flag = &requested;
};

struct tessera_result {
  std::vector<tessera::Tensor> tensors;
};

namespace tessera::c_api {

SessionOptions read(const tessera_options* options);
/// The inputs that are numbers.
std::vector<std::pair<std::string, double>> read_fixed(const tessera_options* options);

/// `least`: the least extent that may be.
Type type_of(const tessera_tensor& tensor, const char* what, size_t index, int64_t least = 0);
/// Of inputs; one that is left out is undefined.
std::vector<Type> types_of(const tessera_tensor* inputs, size_t count);

template <class Load>
tessera_status* load(tessera_session** session, const Load& make) {
  return guard([&] {
    require(session);
    *session = nullptr;
    const FloatEnvironment environment;
    *session = new tessera_session(make());
  });
}

}  // namespace tessera::c_api
