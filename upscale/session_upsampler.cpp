// A session of the library as an Upsampler.
#include <algorithm>
#include <charconv>
#include <exception>

#include "include/tessera/tessera.h"
#include "runtime/base/mapped_file.h"
#include "upscale/identity.h"
#include "upscale/pixel_ends.h"
#include "upscale/reach.h"
#include "upscale/status.h"

namespace tessera::upscale {
namespace {

tessera_tensor type_as_tensor(const Type& type) {
  return {static_cast<tessera_dtype>(type.dtype), type.shape.size(), type.shape.data(), nullptr, 0};
}

tessera_tensor as_tensor(const Tensor& tensor) {
  tessera_tensor plain = type_as_tensor(tensor.type);
  plain.data = tensor.bytes.get();
  plain.bytes = static_cast<size_t>(tensor.type.bytes());
  return plain;
}

Type type_of(const tessera_tensor& tensor) {
  return {static_cast<DType>(tensor.dtype), Shape(List<int64_t>(tensor.dims, tensor.rank))};
}

/// Tensors that share what a run gave.
std::vector<Tensor> tensors_of(tessera_result* result) {
  const std::shared_ptr<tessera_result> owner(result, tessera_result_free);
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < tessera_result_count(result); ++i) {
    tessera_tensor tensor;
    check(tessera_result_tensor(result, i, &tensor));
    tensors.push_back({type_of(tensor), {owner, static_cast<std::byte*>(tensor.data)}});
  }
  return tensors;
}

Look look_of(const std::shared_ptr<const tessera_reach>& owner) {
  const tessera_reach* reach = owner.get();
  tessera_reach_facts facts;
  TESSERA_INIT(&facts);
  check(tessera_reach_get(reach, &facts));
  Look look;
  look.followed = facts.followed != 0;
  look.global = facts.global != 0;
  look.reason = facts.reason;
  for (size_t side = 0; side < 2; ++side) {
    look.step[side] = facts.step[side];
    look.low[side] = facts.low[side];
    look.high[side] = facts.high[side];
    look.lattice[side] = facts.lattice[side];
  }
  for (size_t i = 0; i < facts.pool_count; ++i) {
    tessera_pool from;
    TESSERA_INIT(&from);
    check(tessera_reach_pool(reach, i, &from));
    Pool pool;
    pool.in = from.in;
    pool.out = from.out;
    pool.type = {static_cast<DType>(from.dtype), Shape(List<int64_t>(from.dims, from.rank))};
    pool.pooled = static_cast<Pooled>(from.pooled);
    pool.stage = from.stage;
    for (size_t side = 0; side < 2; ++side) {
      pool.axis[side] = static_cast<int>(from.axes[side]);
      pool.step[side] = from.step[side];
      pool.middle[side] = from.middle[side];
    }
    look.pools.push_back(std::move(pool));
  }
  for (size_t i = 0; i < facts.stretch_count; ++i) {
    tessera_stretch from;
    TESSERA_INIT(&from);
    check(tessera_reach_stretch(reach, i, &from));
    Stretch stretch;
    stretch.out = from.out;
    std::copy_n(from.in_extent, 2, stretch.in_extent);
    std::copy_n(from.out_extent, 2, stretch.out_extent);
    std::copy_n(from.in_step, 2, stretch.in_step);
    std::copy_n(from.out_step, 2, stretch.out_step);
    stretch.weights = [owner, i](int side, int64_t out, int64_t out_count, int64_t in, int64_t in_count,
                                 float* matrix) {
      check(tessera_reach_weights(owner.get(), i, side, out, out_count, in, in_count, matrix));
    };
    look.stretches.push_back(std::move(stretch));
  }
  return look;
}

struct FreeSession {
  void operator()(tessera_session* session) const { tessera_session_free(session); }
};
struct FreeCancel {
  void operator()(tessera_cancel* cancel) const { tessera_cancel_free(cancel); }
};

/// A wish that a flag of ours makes.
std::shared_ptr<tessera_cancel> watch(const std::atomic<bool>* flag) {
  if (!flag) return nullptr;
  tessera_cancel* cancel = nullptr;
  check(tessera_cancel_watch(reinterpret_cast<const unsigned char*>(flag), &cancel));
  return {cancel, FreeCancel()};
}

/// What a run is told through, and what goes wrong in it.
struct Caller {
  const Progress& progress;
  std::exception_ptr error = nullptr;

  static int tell(void* context, double done) {
    auto& caller = *static_cast<Caller*>(context);
    try {
      caller.progress(done);
      return 0;
    } catch (...) {
      caller.error = std::current_exception();
      return 1;
    }
  }
};

/// Options as the library has them, and what they point to.
struct PlainOptions {
  tessera_options options;
  std::vector<std::string> names;
  std::vector<tessera_fixed_input> fixed;

  /// Trials of a model are no windows of pictures.
  explicit PlainOptions(const ModelOptions& from, bool tunes = false) {
    tessera_options_init(&options);
    options.threads = from.threads;
    options.device = from.device.c_str();
    options.precision = from.precision.c_str();
    options.memory_limit = from.memory_limit;
    options.fail_with_device = !from.cpu_takes_over;
    options.copy_files = from.copy_files;
    options.tune = from.tune && tunes;
    options.environment = from.environment;
    for (const std::string& word : from.inputs) add_input(word);
    for (size_t i = 0; i < fixed.size(); ++i) fixed[i].name = names[i].c_str();
    options.fixed = fixed.data();
    options.fixed_count = fixed.size();
  }
  PlainOptions(const PlainOptions&) = delete;
  PlainOptions& operator=(const PlainOptions&) = delete;

 private:
  /// "NAME=NUMBER", or several numbers joined by commas, each under the name.
  void add_input(const std::string& word) {
    const size_t equals = word.rfind('=');
    bool good = equals != std::string::npos && equals > 0;
    for (const char *at = word.data() + (good ? equals + 1 : 0), *end = word.data() + word.size(); good;) {
      double number = 0;
      const auto [stop, error] = std::from_chars(at, end, number);
      good = error == std::errc() && (stop == end || *stop == ',');
      names.push_back(word.substr(0, equals));
      fixed.push_back({nullptr, number});
      if (stop == end) break;
      at = stop + 1;
    }
    if (!good) fail(Error::Kind::usage, "--set ", word, ": give NAME=NUMBER, or several numbers joined by commas");
  }
};

class SessionUpsampler : public Upsampler {
 public:
  SessionUpsampler(tessera_session* session, ModelOptions options, std::shared_ptr<tessera_cancel> cancel)
      : session_(session), options_(std::move(options)), cancel_(std::move(cancel)) {
    TESSERA_INIT(&facts_);
    check(tessera_session_facts(session, &facts_));
    inputs_ = ports(tessera_session_input_count(session), tessera_session_input);
    outputs_ = ports(tessera_session_output_count(session), tessera_session_output);
  }

  List<Port> inputs() const override { return inputs_; }
  List<Port> outputs() const override { return outputs_; }
  std::string identity() const override { return identity_; }
  /// Of the bytes of its file; none where a part of its weights lies in another file.
  void set_identity(List<std::byte> bytes) {
    tessera_model model;
    TESSERA_INIT(&model);
    check(tessera_session_model(session_.get(), &model));
    if (model.weight_bytes > static_cast<int64_t>(bytes.size())) return;
    std::string words;
    for (const std::string& word : options_.inputs) words += word + ' ';
    identity_ = identity_of(bytes);
    if (!words.empty()) identity_ = identity_of(std::as_bytes(List<char>(identity_ + words)));
  }

  std::vector<Type> output_types(const Type& input) const override {
    const tessera_tensor in = type_as_tensor(input);
    std::vector<Type> types;
    try {
      for (size_t i = 0; i < outputs_.size(); ++i) types.push_back(output_type(in, i));
      return types;
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::unsupported) throw;
    }
    // The shapes depend on data: only a run tells.
    types.clear();
    for (const Tensor& tensor : run(Tensor::make(input))) types.push_back(tensor.type);
    return types;
  }

  std::vector<Tensor> run(const Tensor& input) const override { return run_part(input, {}); }

  std::vector<Tensor> run_part(const Tensor& input, List<Tensor> given) const override {
    std::vector<tessera_tensor> inputs{as_tensor(input)};
    for (const Tensor& tensor : given) inputs.push_back(as_tensor(tensor));
    tessera_result* result = nullptr;
    check(tessera_run(session_.get(), inputs.data(), inputs.size(), cancel_.get(), &result));
    return tensors_of(result);
  }

  std::vector<Tensor> run_watched(const Tensor& input, const Progress& progress) const override {
    const tessera_tensor in = as_tensor(input);
    Caller caller{progress};
    tessera_run_options options;
    TESSERA_INIT(&options);
    options.cancel = cancel_.get();
    options.progress = &Caller::tell;
    options.context = &caller;
    tessera_result* result = nullptr;
    tessera_status* status = tessera_run_with(session_.get(), &in, 1, &options, &result);
    if (caller.error) {
      tessera_status_free(status);
      std::rethrow_exception(caller.error);
    }
    check(status);
    return tensors_of(result);
  }

  std::unique_ptr<Upsampler> part(List<std::string> given, List<Type> types, List<std::string> wanted,
                                  List<std::string> stretched) const override {
    std::vector<const char*> given_names, wanted_names, stretched_names;
    std::vector<tessera_tensor> given_types;
    for (const std::string& name : given) given_names.push_back(name.c_str());
    for (const std::string& name : wanted) wanted_names.push_back(name.c_str());
    for (const std::string& name : stretched) stretched_names.push_back(name.c_str());
    for (const Type& type : types) given_types.push_back(type_as_tensor(type));
    tessera_part part;
    TESSERA_INIT(&part);
    part.given = given_names.data();
    part.given_types = given_types.data();
    part.given_count = given_names.size();
    part.wanted = wanted_names.data();
    part.wanted_count = wanted_names.size();
    part.stretched = stretched_names.data();
    part.stretched_count = stretched_names.size();
    ModelOptions options = options_;
    options.cpu_takes_over = true;  // what the other devices have is the whole model
    options.inputs.clear();         // they are constants of its graph by now
    const PlainOptions plain(options);
    tessera_session* session = nullptr;
    check(tessera_session_part(session_.get(), &part, &plain.options, &session));
    return std::make_unique<SessionUpsampler>(session, options, cancel_);
  }

  std::unique_ptr<Upsampler> with_input(const Type& type) const override {
    const char* name = inputs_[0].name.c_str();
    const tessera_tensor given = type_as_tensor(type);
    tessera_part part;
    TESSERA_INIT(&part);
    part.given = &name;
    part.given_types = &given;
    part.given_count = 1;
    tessera_session* session = nullptr;
    check(tessera_session_part(session_.get(), &part, nullptr, &session));
    auto made = std::make_unique<SessionUpsampler>(session, options_, cancel_);
    made->declared_ = cat(inputs_[0].type);
    if (!identity_.empty()) made->identity_ = identity_of(std::as_bytes(List<char>(identity_ + cat(type))));
    return made;
  }
  std::string declared() const override { return declared_; }

  std::unique_ptr<Upsampler> with_pixels(const Convention& convention, const PixelEnds& ends) const override {
    const PixelsIn in(convention, ends);
    const PixelsOut out(convention, ends);
    const std::unique_ptr<tessera_session, FreeSession> tuned = options_.tune ? with_tuning() : nullptr;
    tessera_session* session = nullptr;
    check(tessera_session_pixels(tuned ? tuned.get() : session_.get(), &in.plain, &out.plain, &session));
    return std::make_unique<SessionUpsampler>(session, options_, cancel_);
  }

  std::optional<Look> look(const Convention& convention, int64_t width, int64_t height) const override {
    if (inputs_.size() != 1 || outputs_.empty()) return std::nullopt;
    const Type type = convention.input(width, height);
    const tessera_tensor in = type_as_tensor(type);
    tessera_reach_query query;
    TESSERA_INIT(&query);
    query.output = static_cast<size_t>(convention.output);
    query.input_axes[0] = static_cast<size_t>(convention.in.y);
    query.input_axes[1] = static_cast<size_t>(convention.in.x);
    query.output_axes[0] = static_cast<size_t>(convention.out.y);
    query.output_axes[1] = static_cast<size_t>(convention.out.x);
    tessera_reach* reach = nullptr;
    check(tessera_session_reach(session_.get(), &in, 1, &query, &reach));
    return look_of(std::shared_ptr<const tessera_reach>(reach, tessera_reach_free));
  }

  int64_t run_bytes(const Type& input) const override {
    const tessera_memory memory = forecast(input);
    return memory.device > 0 ? memory.device : memory.arena;
  }
  bool on_device(const Type& input) const override { return facts_.has_device && forecast(input).device > 0; }
  bool stores_halves() const override { return facts_.stores_halves != 0; }
  int64_t free_bytes() const override {
    int64_t used = 0, budget = 0;
    check(tessera_session_device_memory(session_.get(), &used, &budget));
    return std::max<int64_t>(budget - used, 0);
  }
  int runs_at_once() const override { return facts_.runs_at_once; }
  int row_step() const override { return facts_.row_step; }

  std::optional<Traffic> traffic() const override {
    if (!facts_.has_device) return std::nullopt;
    tessera_traffic traffic;
    TESSERA_INIT(&traffic);
    check(tessera_session_traffic(session_.get(), &traffic));
    return Traffic{traffic.uploaded, traffic.downloaded, traffic.submits};
  }

  int64_t weight_bytes() const override { return model().weight_bytes; }
  std::vector<std::pair<std::string, std::string>> metadata() const override {
    const tessera_model model = this->model();
    std::vector<std::pair<std::string, std::string>> all;
    for (size_t i = 0; i < model.metadata_count; ++i) {
      const char *key = nullptr, *value = nullptr;
      check(tessera_session_metadata(session_.get(), i, &key, &value));
      all.emplace_back(key, value);
    }
    return all;
  }

 private:
  /// All of the graph, in a session that tries ways of dividing its work.
  std::unique_ptr<tessera_session, FreeSession> with_tuning() const {
    tessera_part whole;
    TESSERA_INIT(&whole);
    ModelOptions options = options_;
    options.inputs.clear();  // they are constants of its graph by now
    const PlainOptions plain(options, true);
    tessera_session* session = nullptr;
    check(tessera_session_part(session_.get(), &whole, &plain.options, &session));
    return std::unique_ptr<tessera_session, FreeSession>(session);
  }

  tessera_model model() const {
    tessera_model model;
    TESSERA_INIT(&model);
    check(tessera_session_model(session_.get(), &model));
    return model;
  }

  Type output_type(const tessera_tensor& in, size_t index) const {
    tessera_dtype dtype = TESSERA_UNDEFINED;
    int64_t dims[16];
    size_t rank = 0, bytes = 0;
    check(tessera_output_type(session_.get(), &in, 1, index, &dtype, dims, std::size(dims), &rank, &bytes));
    return {static_cast<DType>(dtype), Shape(List<int64_t>(dims, std::min(rank, std::size(dims))))};
  }

  template <class Get>
  std::vector<Port> ports(size_t count, Get get) const {
    std::vector<Port> list;
    for (size_t i = 0; i < count; ++i) {
      tessera_port port;
      tessera_port_init(&port);
      check(get(session_.get(), i, &port));
      const DType dtype = port.kind == TESSERA_TENSOR ? static_cast<DType>(port.dtype) : DType::undefined;
      list.push_back({port.name, {dtype, Shape(List<int64_t>(port.dims, port.rank))}, port.ranked != 0});
    }
    return list;
  }

  tessera_memory forecast(const Type& input) const {
    const tessera_tensor in = type_as_tensor(input);
    tessera_memory memory;
    TESSERA_INIT(&memory);
    check(tessera_session_forecast(session_.get(), &in, 1, &memory));
    return memory;
  }

  std::unique_ptr<tessera_session, FreeSession> session_;
  ModelOptions options_;
  std::shared_ptr<tessera_cancel> cancel_;
  tessera_facts facts_;
  std::string identity_, declared_;
  std::vector<Port> inputs_, outputs_;
};

std::unique_ptr<SessionUpsampler> open_session(tessera_session* session, const ModelOptions& options,
                                               const std::atomic<bool>* cancel) {
  std::unique_ptr<tessera_session, FreeSession> owner(session);
  std::shared_ptr<tessera_cancel> wish = watch(cancel);
  return std::make_unique<SessionUpsampler>(owner.release(), options, std::move(wish));
}

/// `bytes`: of the model's file.
std::unique_ptr<Upsampler> with_one_input(tessera_session* session, const ModelOptions& options,
                                          const std::atomic<bool>* cancel, std::string& note, std::string& device,
                                          List<std::byte> bytes) {
  std::unique_ptr<SessionUpsampler> upsampler = open_session(session, options, cancel);
  upsampler->set_identity(bytes);
  note = tessera_session_device_note(session);
  device = tessera_session_device(session);
  const List<Port> inputs = upsampler->inputs();
  if (inputs.size() < 2) return with_open_sizes(with_still_frames(std::move(upsampler)));
  std::string names;
  for (const Port& port : inputs) names += cat(names.empty() ? "" : ", ", port.name, " ", port.type);
  fail(Error::Kind::unsupported, "the model has ", inputs.size(), " inputs (", names,
       "): give all but the picture a number, or several, with --set NAME=NUMBER,NUMBER");
}

}  // namespace

std::optional<Look> Upsampler::look(const Convention&, int64_t, int64_t) const { return std::nullopt; }

std::unique_ptr<Upsampler> make_upsampler(tessera_session* session, const ModelOptions& options,
                                          const std::atomic<bool>* cancel) {
  return open_session(session, options, cancel);
}

std::unique_ptr<Upsampler> open_upsampler(List<std::byte> model, const std::string& name, const ModelOptions& options,
                                          const std::atomic<bool>* cancel, std::string& note, std::string& device) {
  PlainOptions plain(options);
  plain.options.name = name.c_str();
  tessera_session* session = nullptr;
  check(tessera_session_load_memory(model.data(), model.size(), &plain.options, &session));
  return with_one_input(session, options, cancel, note, device, model);
}

std::unique_ptr<Upsampler> open_upsampler(const std::string& path, const ModelOptions& options,
                                          const std::atomic<bool>* cancel, std::string& note, std::string& device) {
  if (const BundledModel* bundled = bundled_model(path))
    return open_upsampler(bundled->bytes, std::string(bundled->name), options, cancel, note, device);
  const PlainOptions plain(options);
  tessera_session* session = nullptr;
  check(tessera_session_load(path.c_str(), &plain.options, &session));
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path, options.copy_files);
  std::unique_ptr<Upsampler> upsampler = with_one_input(session, options, cancel, note, device, file->bytes());
  file->drop_pages();
  return upsampler;
}

}  // namespace tessera::upscale
