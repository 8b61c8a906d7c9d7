// Upsampler: what the image pipeline needs of a model. A session of the library stands behind it in the command,
// a few lines of arithmetic in tests.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "upscale/tensor.h"

struct tessera_environment;
struct tessera_session;

namespace tessera::upscale {

struct Convention;
struct Look;
struct PixelEnds;

/// Called with the finished part of some work, 0..1, from the thread that does it.
using Progress = std::function<void(double)>;

/// One input or output of a model, as it declares it.
struct Port {
  std::string name;
  Type type;            ///< extent -1 where the model leaves it open; dtype undefined where it is no tensor
  bool ranked = false;  ///< false: the model does not even give the rank
};

/// Bytes that crossed to and from a device so far.
struct Traffic {
  int64_t uploaded_bytes = 0, downloaded_bytes = 0, submits = 0;
};

/// Whether a failure says something of the model, so that another trial may succeed: not of this machine, and not at
/// this moment.
inline bool tells_of_model(const Error& error) {
  return error.kind() != Error::Kind::memory && error.kind() != Error::Kind::device && !error.is_stop();
}

struct Upsampler {
  virtual ~Upsampler() = default;
  virtual List<Port> inputs() const = 0;
  virtual List<Port> outputs() const = 0;
  /// Types of the outputs for that input. Throws Error where the model does not take it.
  virtual std::vector<Type> output_types(const Type& input) const = 0;
  /// All outputs.
  virtual std::vector<Tensor> run(const Tensor& input) const = 0;
  /// Part of the model: from the picture and the values `given`, of these types, to the values `wanted`, or to all
  /// outputs where none are named. Null: there is no graph to take parts of.
  virtual std::unique_ptr<Upsampler> part(List<std::string> given, List<Type> types, List<std::string> wanted,
                                          List<std::string> stretched) const {
    static_cast<void>(given), static_cast<void>(types), static_cast<void>(wanted), static_cast<void>(stretched);
    return nullptr;
  }
  /// The same model with another type of its input, as far as the graph bears it; null where there is no graph.
  virtual std::unique_ptr<Upsampler> with_input(const Type& type) const {
    static_cast<void>(type);
    return nullptr;
  }
  /// How many frames of a video it is shown, all alike; 0: it takes pictures.
  virtual int64_t frames() const { return 0; }
  /// What its file declares its input to be, where with_input() made it another.
  virtual std::string declared() const { return {}; }
  /// The same model with pixels at both ends; null where there is no graph to put them around.
  virtual std::unique_ptr<Upsampler> with_pixels(const Convention& convention, const PixelEnds& ends) const {
    static_cast<void>(convention), static_cast<void>(ends);
    return nullptr;
  }
  /// How far the graph looks, for a picture of that size; none where there is no graph to ask.
  virtual std::optional<Look> look(const Convention& convention, int64_t width, int64_t height) const;
  /// A run of a part: the picture, then what is given.
  virtual std::vector<Tensor> run_part(const Tensor& input, List<Tensor> given) const {
    static_cast<void>(given);
    return run(input);
  }
  /// As run(); tells `progress` from time to time which part of the work is finished, 0..1.
  virtual std::vector<Tensor> run_watched(const Tensor& input, const Progress& progress) const {
    static_cast<void>(progress);
    return run(input);
  }
  /// Bytes that one run needs beside weights, of the memory of whatever runs it.
  virtual int64_t run_bytes(const Type& input) const = 0;
  /// Whether a device with memory of its own runs that.
  virtual bool on_device(const Type& input) const {
    static_cast<void>(input);
    return false;
  }
  /// Whether it stores numbers in half precision.
  virtual bool stores_halves() const { return false; }
  /// Bytes that such a device has free; 0: not known.
  virtual int64_t free_bytes() const { return 0; }
  /// Runs at once that keep it busy.
  virtual int runs_at_once() const { return 1; }
  /// A picture that is shifted by a multiple of so many pixels is computed alike, to the last bit.
  virtual int row_step() const { return 1; }
  /// None on the CPU.
  virtual std::optional<Traffic> traffic() const { return std::nullopt; }
  /// Of its constants, as they were loaded.
  virtual int64_t weight_bytes() const { return 0; }
  /// What the file says of itself: keys and values.
  virtual std::vector<std::pair<std::string, std::string>> metadata() const { return {}; }
  /// A name for the model by its bytes, and for what it was given beside the picture; empty: not known.
  virtual std::string identity() const { return {}; }
};

/// How a model is opened.
struct ModelOptions {
  int threads = 0;              ///< 0: one per core that this process may use
  std::string device = "auto";  ///< as tessera_options has it
  std::string precision = "fp32";
  int64_t memory_limit = 0;  ///< bytes that one run may take; 0: three quarters of the machine's
  bool tune = false;         ///< as tessera_options has it, for the windows of pictures
  const tessera_environment* environment = nullptr;  ///< which is told how far that is
  bool cpu_takes_over = true;                        ///< where a device fails; false: its error is thrown
  bool copy_files = false;          ///< the model's files are read into memory, not mapped: they may get shorter
  std::vector<std::string> inputs;  ///< values for inputs beside the picture, as NAME=NUMBER or NAME=NUMBER,NUMBER...
};

/// A model file on a device, or a bundled model by its name; an empty path is the first of these. Runs stop at
/// `cancel`. `device` becomes where it runs, `note` why not where it was asked to, if so.
std::unique_ptr<Upsampler> open_upsampler(const std::string& path, const ModelOptions& options,
                                          const std::atomic<bool>* cancel, std::string& note, std::string& device);
/// The same from memory; `name` is for messages.
std::unique_ptr<Upsampler> open_upsampler(List<std::byte> model, const std::string& name, const ModelOptions& options,
                                          const std::atomic<bool>* cancel, std::string& note, std::string& device);

/// The model with open extents, where its file declares one size, but its graph looks no further than around each
/// pixel, and does so alike for every size.
std::unique_ptr<Upsampler> with_open_sizes(std::unique_ptr<Upsampler> model);

/// A model whose input is [N,T,C,H,W] or [N,C,T,H,W], frames of a video, as one that takes pictures: each is shown to
/// it T times. Others stay as they are.
std::unique_ptr<Upsampler> with_still_frames(std::unique_ptr<Upsampler> model);

/// A session with one input, which is freed in the end. Runs stop at `cancel`.
std::unique_ptr<Upsampler> make_upsampler(tessera_session* session, const ModelOptions& options,
                                          const std::atomic<bool>* cancel = nullptr);

/// A model that is part of the program.
struct BundledModel {
  Text name;
  List<std::byte> bytes;
};
/// The first is the one that is meant where none is named.
const std::vector<BundledModel>& bundled_models();
/// By its name, or the first where it is empty; null: there is none of that name.
const BundledModel* bundled_model(Text name);

}  // namespace tessera::upscale
