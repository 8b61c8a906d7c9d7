// What the files of the C interface share.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>

#include "runtime/base/c_interface.h"
#include "runtime/base/float_environment.h"
#include "runtime/base/run_scope.h"
#include "runtime/session/environment.h"
#include "runtime/session/session.h"

namespace tessera::c_api {
class Runner;
}

struct tessera_session {
  explicit tessera_session(std::shared_ptr<const tessera::Session> opened);
  ~tessera_session();
  std::shared_ptr<const tessera::Session> owner;  ///< may be shared, by sessions of one environment
  const tessera::Session& session;
  std::unique_ptr<tessera::c_api::Runner> runner;  ///< of runs that nobody waits for, from the first of them on
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

/// What sessions of an environment that share their models are known by, and the sessions themselves.
struct SharedModels {
  struct Known {
    std::weak_ptr<const tessera::Session> session;
    std::vector<std::byte> bytes;  ///< of a model from memory
  };
  std::mutex mutex;
  std::vector<std::pair<std::string, Known>> known;
};

struct tessera_environment {
  std::shared_ptr<tessera::Environment> shared = std::make_shared<tessera::Environment>();
  std::unique_ptr<SharedModels> models;  ///< null: sessions share no models
};

struct tessera_result {
  std::vector<tessera::Datum> values;
};

struct tessera_value {
  tessera::Datum datum;
};

namespace tessera::c_api {

/// Null for NULL.
std::shared_ptr<const Operators> operators_of(const tessera_operators* operators);

SessionOptions read(const tessera_options* options);
/// The options as this library knows them.
tessera_options known(const tessera_options* options);
/// The session that `open` makes, or one that the options' environment has of the same model and options. `source` is
/// what else tells models apart; the bytes of one from memory do, too.
std::shared_ptr<const Session> shared(const tessera_options* options, const std::string& source, List<std::byte> bytes,
                                      const std::function<Session()>& open);
/// The inputs that are numbers.
std::vector<std::pair<std::string, std::vector<double>>> read_fixed(const tessera_options* options);

/// Constants in place of the model's.
std::vector<std::pair<std::string, Datum>> read_initializers(const tessera_options* options);

/// `least`: the least extent that may be.
Type type_of(const tessera_tensor& tensor, const char* what, size_t index, int64_t least = 0);
/// An optional input may be left out.
inline bool is_left_out(const tessera_tensor& tensor) { return tensor.dtype == TESSERA_UNDEFINED && !tensor.data; }
/// A view of the caller's tensor, checked against its size.
View view_of(const tessera_tensor& tensor, const char* what, size_t index);
/// The tensor as the caller sees it, who may not have strings as such.
tessera_tensor told(const Tensor& tensor);
/// What values hold; one that is NULL is left out.
std::vector<Datum> data_of(const tessera_value* const* values, size_t count);
/// Runs the session and tells of it.
std::unique_ptr<tessera_result> run(const tessera_session* session, List<Datum> in, const tessera_run_options* options);

/// Does `body` as a run with these options, and tells of it. `types`: of its inputs, none if not all are tensors.
void told_run(const tessera_session* session, const tessera_run_options* options, List<Type> types,
              const std::function<void(const RunOptions&)>& body);

/// Of inputs; one that is left out is undefined.
std::vector<Type> types_of(const tessera_tensor* inputs, size_t count);

inline void check_index(size_t index, size_t count, const char* what) {
  if (index >= count) fail(Error::Kind::usage, "there is no ", what, " ", index);
}

template <class Load>
tessera_status* load(tessera_session** session, const Load& make) {
  return guard([&] {
    require(session);
    *session = nullptr;
    const FloatEnvironment environment;
    *session = new tessera_session(std::make_shared<const Session>(make()));
  });
}

}  // namespace tessera::c_api
