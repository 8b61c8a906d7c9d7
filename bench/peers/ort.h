// ONNX Runtime as a peer and an oracle: loaded at run time, used through the few entries of its C
// interface that comparisons need. Nothing of tessera itself depends on it.
#pragma once

#include <memory>

#include "runtime/session/session.h"

namespace tessera::peers {

/// The library. Lives until the process ends, once opened.
class Ort {
 public:
  /// Throws Error::device when the library cannot be loaded or is too old.
  explicit Ort(const std::string& library);
  const std::string& version() const { return version_; }

  /// Where the library is: the environment variable TESSERA_ORT, else under `prepared`, the folder that
  /// tools/fetch_ort fills. Empty if there is none.
  static std::string find(const std::string& prepared);

 private:
  friend class OrtSession;
  friend class OrtRun;
  template <class F>
  F entry(int index) const {
    return reinterpret_cast<F>(table_[index]);
  }
  void check(void* status) const;  ///< throws Error::device with the status's text
  void* const* table_ = nullptr;
  void* env_ = nullptr;
  std::string version_;
};

class OrtSession {
 public:
  OrtSession(const Ort& ort, const std::string& model, int threads, bool optimize = true);
  ~OrtSession();
  OrtSession(const OrtSession&) = delete;
  OrtSession& operator=(const OrtSession&) = delete;

  List<Port> inputs() const { return inputs_; }
  List<std::string> outputs() const { return outputs_; }
  /// Outputs that are not tensors come back as tensors without bytes.
  std::vector<Tensor> run(List<Tensor> in) const;

 private:
  friend class OrtRun;
  const Ort& ort_;
  void* session_ = nullptr;
  std::vector<Port> inputs_;
  std::vector<std::string> outputs_;
};

/// One run prepared once: the inputs are bound, so that `run` is nothing but the run.
class OrtRun {
 public:
  OrtRun(const OrtSession& session, List<Tensor> in);
  ~OrtRun();
  OrtRun(const OrtRun&) = delete;
  OrtRun& operator=(const OrtRun&) = delete;
  void run();
  std::vector<Tensor> outputs() const;  ///< of the last run

 private:
  void release_outputs();
  const OrtSession& session_;
  std::vector<Tensor> held_;
  std::vector<void*> in_, out_;
  std::vector<const char*> in_names_, out_names_;
};

}  // namespace tessera::peers
