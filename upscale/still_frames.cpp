// A model of videos as one of pictures: what it is shown is a still.
#include <cstring>

#include "upscale/upsampler.h"

namespace tessera::upscale {
namespace {

/// Frames that a model is shown which takes any number: one, and one on both sides of it.
constexpr int64_t usual_frames = 3;

/// Where the frames lie in [N,T,C,H,W] or [N,C,T,H,W]: three are colors first of all.
size_t time_axis(const Shape& shape) {
  for (const int64_t channels : {3, 1, 4})
    for (const size_t axis : {1, 2})
      if (shape[3 - axis] == channels) return axis;
  return 1;
}

Shape without(const Shape& shape, size_t axis) {
  Shape rest;
  for (size_t i = 0; i < shape.size(); ++i)
    if (i != axis) rest.push_back(shape[i]);
  return rest;
}

class StillFrames : public Upsampler {
 public:
  explicit StillFrames(std::unique_ptr<Upsampler> model) : model_(std::move(model)) {
    inputs_ = {model_->inputs()[0]};
    Shape& shape = inputs_[0].type.shape;
    axis_ = time_axis(shape);
    frames_ = shape[axis_] > 0 ? shape[axis_] : usual_frames;
    shape = without(shape, axis_);
    for (Port port : model_->outputs()) {
      if (port.ranked && port.type.shape.size() == 5) port.type.shape = without(port.type.shape, axis_);
      outputs_.push_back(std::move(port));
    }
  }

  List<Port> inputs() const override { return inputs_; }
  List<Port> outputs() const override { return outputs_; }
  std::vector<Type> output_types(const Type& input) const override {
    std::vector<Type> types = model_->output_types(shown(input));
    for (Type& type : types)
      if (type.shape.size() == 5) type.shape = without(type.shape, axis_);
    return types;
  }
  std::vector<Tensor> run(const Tensor& input) const override {
    std::vector<Tensor> results = model_->run(repeated(input));
    for (Tensor& result : results)
      if (result.type.shape.size() == 5) result = middle(result);
    return results;
  }
  int64_t run_bytes(const Type& input) const override { return model_->run_bytes(shown(input)); }
  bool on_device(const Type& input) const override { return model_->on_device(shown(input)); }
  bool stores_halves() const override { return model_->stores_halves(); }
  int64_t free_bytes() const override { return model_->free_bytes(); }
  int runs_at_once() const override { return model_->runs_at_once(); }
  std::optional<Traffic> traffic() const override { return model_->traffic(); }
  int64_t weight_bytes() const override { return model_->weight_bytes(); }
  std::vector<std::pair<std::string, std::string>> metadata() const override { return model_->metadata(); }
  std::string identity() const override { return model_->identity(); }
  int64_t frames() const override { return frames_; }

 private:
  Type shown(const Type& input) const {
    Type type = input;
    type.shape = {};
    for (size_t i = 0, from = 0; i < 5; ++i) type.shape.push_back(i == axis_ ? frames_ : input.shape[from++]);
    return type;
  }
  /// Bytes of what lies behind the axis, of one frame.
  static int64_t bytes_behind(const Type& type, size_t axis) {
    return type.shape.elements(axis + 1, type.shape.size()) * (bits_of(type.dtype) / 8);
  }
  Tensor repeated(const Tensor& input) const {
    const Tensor all = Tensor::make(shown(input.type));
    const auto piece = static_cast<size_t>(bytes_behind(all.type, axis_));
    std::byte* to = all.bytes.get();
    for (int64_t before = 0, count = all.type.shape.elements(0, axis_); before < count; ++before)
      for (int64_t frame = 0; frame < frames_; ++frame, to += piece)
        std::memcpy(to, input.bytes.get() + static_cast<size_t>(before) * piece, piece);
    return all;
  }
  /// What the frame in the middle became.
  Tensor middle(const Tensor& all) const {
    Type type = all.type;
    type.shape = without(type.shape, axis_);
    const Tensor one = Tensor::make(type);
    const auto piece = static_cast<size_t>(bytes_behind(all.type, axis_));
    const int64_t frames = all.type.shape[axis_];
    for (int64_t before = 0, count = all.type.shape.elements(0, axis_); before < count; ++before)
      std::memcpy(one.bytes.get() + static_cast<size_t>(before) * piece,
                  all.bytes.get() + static_cast<size_t>(before * frames + frames / 2) * piece, piece);
    return one;
  }

  std::unique_ptr<Upsampler> model_;
  std::vector<Port> inputs_, outputs_;
  size_t axis_ = 1;
  int64_t frames_ = 1;
};

}  // namespace

std::unique_ptr<Upsampler> with_still_frames(std::unique_ptr<Upsampler> model) {
  const List<Port> inputs = model->inputs();
  if (inputs.size() != 1 || !inputs[0].ranked || inputs[0].type.shape.size() != 5) return model;
  return std::make_unique<StillFrames>(std::move(model));
}

}  // namespace tessera::upscale
