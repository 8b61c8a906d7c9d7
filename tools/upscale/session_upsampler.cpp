// Session as an Upsampler.
#include "tools/upscale/upsampler.h"

namespace tessera::upscale {
namespace {

class SessionUpsampler : public Upsampler {
 public:
  SessionUpsampler(std::unique_ptr<Session> session, const std::atomic<bool>* cancel)
      : session_(std::move(session)), inputs_(copy(session_->inputs())), outputs_(copy(session_->outputs())) {
    options_.cancel = cancel;
  }

  List<Port> inputs() const override { return inputs_; }
  List<Port> outputs() const override { return outputs_; }
  const Model* model() const override { return &session_->model(); }

  Type output_type(const Type& input) const override {
    const Type types[] = {input};
    try {
      return session_->output_types(types).at(0);
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::unsupported) throw;
    }
    // The shape depends on data: only a run tells.
    return run(Tensor::make(input)).type;
  }

  Tensor run(const Tensor& input) const override {
    const Tensor inputs[] = {input};
    return session_->run(List<Tensor>(inputs), options_).at(0);
  }

  int64_t run_bytes(const Type& input) const override {
    const Type types[] = {input};
    return session_->forecast(types).arena_bytes;
  }

 private:
  static std::vector<Port> copy(List<Port> ports) { return {ports.begin(), ports.end()}; }

  std::unique_ptr<Session> session_;
  std::vector<Port> inputs_, outputs_;
  RunOptions options_;
};

}  // namespace

std::unique_ptr<Upsampler> open_upsampler(const std::string& path, const SessionOptions& options,
                                          const std::atomic<bool>* cancel, std::string& note, std::string& device) {
  auto session =
      path.empty() ? std::make_unique<Session>(bundled_model(), options) : std::make_unique<Session>(path, options);
  note = session->device_note();
  device = session->device();
  return std::make_unique<SessionUpsampler>(std::move(session), cancel);
}

}  // namespace tessera::upscale
