// Fuzzes the loader: any bytes as a model, as a tensor, as a sequence and as an optional. Each must
// load or end in Error. Built with libFuzzer where TESSERA_FUZZ is on; with TESSERA_FUZZ_MAIN it is a
// plain program that runs over files and folders, prints what became of each model, and fails if one
// takes longer than two seconds.
#include <cstdio>

#include "runtime/onnx/load.h"

namespace {

using namespace tessera;

// Small enough that a bomb is refused before it hurts the fuzzer.
onnx::Limits limits() {
  onnx::Limits limits;
  limits.nodes = 100'000;
  limits.values = 400'000;
  limits.decoded_bytes = int64_t{256} << 20;
  limits.sparse_bytes = int64_t{64} << 20;
  return limits;
}

template <class F>
std::string outcome(F&& load) {
  try {
    load();
    return "ok";
  } catch (const Error& error) {
    return error.what();
  }
}

std::shared_ptr<std::vector<std::byte>> copy_of(const uint8_t* data, size_t size) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  return std::make_shared<std::vector<std::byte>>(begin, begin + size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = copy_of(data, size);
  outcome([&] { onnx::load(*bytes, bytes, "fuzz", limits()); });
  outcome([&] { onnx::load_tensor(*bytes, "fuzz"); });
  outcome([&] { onnx::load_datum(*bytes, Kind::sequence, "fuzz"); });
  outcome([&] { onnx::load_datum(*bytes, Kind::optional, "fuzz"); });
  return 0;
}

#ifdef TESSERA_FUZZ_MAIN
#include <chrono>
#include <filesystem>

namespace {

int slow = 0;

void run(const std::filesystem::path& path) {
  const auto start = std::chrono::steady_clock::now();
  size_t unsupported = 0;
  const std::string what = outcome([&] { unsupported = onnx::load(path.string()).unsupported.size(); });
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (seconds.count() > 2) ++slow;
  std::printf("%8.1f ms %3zu unsupported  %s: %s\n", seconds.count() * 1e3, unsupported, path.c_str(), what.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      run(argv[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i]))
      if (entry.is_regular_file()) run(entry.path());
  }
  return slow ? 1 : 0;
}
#endif
