// What the files of the C interface share.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>

#include "include/tessera/tessera.h"
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

/// Ends the exception at hand.
tessera_status* caught() noexcept;

/// Every body of the interface runs inside of it: the only place where exceptions end.
template <class Body>
tessera_status* guard(const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (...) {
    return caught();
  }
}

template <class... Pointers>
void require(const Pointers*... pointers) {
  if ((... || !pointers)) fail(Error::Kind::usage, "an argument is NULL");
}

/// A caller's struct as this library knows it: what an older, smaller one does not have is 0.
template <class Struct>
Struct read_struct(const Struct* given, const char* name, size_t smallest = sizeof(size_t)) {
  if (given->struct_size < smallest)
    fail(Error::Kind::usage, name, ".struct_size is ", given->struct_size, ": initialize it first");
  Struct known{};
  std::memcpy(&known, given, std::min(given->struct_size, sizeof(Struct)));
  return known;
}

/// Writes no more than the caller's struct has.
template <class Struct>
void write_struct(Struct filled, Struct* to, const char* name, size_t smallest = sizeof(size_t)) {
  require(to);
  if (to->struct_size < smallest)
    fail(Error::Kind::usage, name, ".struct_size is ", to->struct_size, ": initialize it first");
  filled.struct_size = to->struct_size;
  std::memcpy(to, &filled, std::min(to->struct_size, sizeof(Struct)));
}

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
