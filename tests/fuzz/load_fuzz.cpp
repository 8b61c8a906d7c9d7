// Fuzzes the loader: any bytes as a model, as a tensor, as a sequence and as an optional. Each must load or end in
// Error, external data included; a model that loads must run, or end in Error, in little memory and time.
#include "runtime/base/run_scope.h"
#include "runtime/onnx/load.h"
#include "runtime/session/session.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/models.h"

namespace tessera::test {
namespace {

constexpr int64_t memory_limit = int64_t{64} << 20;

// Small enough that a bomb is refused before it hurts the fuzzer.
onnx::Limits limits() {
  onnx::Limits limits;
  limits.nodes = 10'000;
  limits.values = 40'000;
  limits.decoded_bytes = int64_t{64} << 20;
  limits.sparse_bytes = int64_t{16} << 20;
  return limits;
}

template <class F>
void attempt(F&& act) {
  try {
    act();
  } catch (const Error& error) {
    if (*error.what() == '\0') finding("an error without a text");
  } catch (const std::bad_alloc&) {  // those who call a session report it as an Error
  }
}

// An input as the model declares it, of small extents where it leaves them open.
Datum input_for(const Port& port) {
  Datum datum;
  if (port.kind != Kind::tensor) fail(Error::Kind::unsupported, "a container");
  Shape shape = port.ranked ? port.type.shape : Shape{2, 3};
  for (int64_t& extent : shape)
    if (extent < 0) extent = 2;
  const DType type = port.type.dtype == DType::undefined ? DType::float32 : port.type.dtype;
  if (Type{type, shape}.bytes() > memory_limit / 8) fail(Error::Kind::memory, "a large input");
  datum.tensor = Tensor::make({type, shape});
  return datum;
}

void run(onnx::Loaded loaded) {
  SessionOptions options;
  options.threads = 1;
  options.device = "cpu";
  options.memory_limit = memory_limit;
  const std::atomic<bool>* cancel = Patience::instance().begin();
  attempt([&] {
    const RunScope scope({cancel, memory_limit});
    const Session session(std::move(loaded), options);
    std::vector<Datum> in;
    for (const Port& port : session.inputs()) in.push_back(input_for(port));
    session.run(in, {nullptr, cancel});
  });
  Patience::instance().end();
}

// A folder with a small file of weights, for models that name it.
const std::filesystem::path& folder() {
  static const TemporaryFolder made;
  static const bool written = [] {
    std::ofstream(made.path() / "weights", std::ios::binary) << std::string(256, 'w');
    return true;
  }();
  if (!written) finding("no folder for weights");
  return made.path();
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> made;
  for (const Subject& subject : model_subjects()) made.push_back(file_of(subject));
  Pen pen;
  TensorProto* weights = pen.graph->add_initializer();
  *weights = raw_tensor("w", DType::float32, {2}, "");
  weights->clear_raw_data();
  weights->set_data_location(TensorProto::EXTERNAL);
  for (const auto& [key, value] : {std::pair("location", "weights"), {"offset", "16"}, {"length", "8"}}) {
    auto* entry = weights->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
  pen.node("Add", {"x", "w"}, {"y"});
  made.push_back(pen.model.SerializeAsString());
  return made;
}

// What the fuzzer does with its bytes.
void load_all(List<uint8_t> data) {
  const auto* begin = reinterpret_cast<const std::byte*>(data.data());
  const auto bytes = std::make_shared<std::vector<std::byte>>(begin, begin + data.size());
  attempt([&] { run(onnx::load(*bytes, bytes, "fuzz", limits())); });
  attempt([&] { onnx::load_tensor(*bytes, "fuzz"); });
  attempt([&] { onnx::load_datum(*bytes, Kind::sequence, "fuzz"); });
  attempt([&] { onnx::load_datum(*bytes, Kind::optional, "fuzz"); });
  // External data needs a file.
  constexpr Text word = "weights";
  if (std::search(data.begin(), data.end(), word.begin(), word.end()) == data.end()) return;
  const std::filesystem::path path = folder() / "model.onnx";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(begin), static_cast<std::streamsize>(data.size()));
  attempt([&] { run(onnx::load(path.string(), limits())); });
}

}  // namespace tessera::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::test::load_all({data, size});
  return 0;
}
