// ortrun MODEL [-o DIR] [--compare DIR] [--threads N] [--seed N] [--default-dim N] [--shape NAME=1x3x64x64]...
// [NAME=FILE.npy]... Runs a model by ONNX Runtime on the inputs that `tessera run` would use, and writes its outputs,
// or compares them with the .npy files in a folder.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "bench/peers/ort.h"
#include "tools/inputs.h"
#include "tools/npy.h"

namespace {

using namespace tessera;

// Prints how far the file is from `expected`, in units of the range of `expected`.
void compare(const std::filesystem::path& path, const Tensor& expected) {
  const Tensor actual = tools::read_npy(path);
  if (!(actual.type.shape == expected.type.shape) || expected.type.dtype == DType::string) {
    std::printf("  %s: %s\n", path.c_str(), cat(actual.type).c_str());
    return;
  }
  double low = INFINITY, high = -INFINITY, worst = 0;
  int64_t at = 0, differ = 0;
  for (int64_t i = 0; i < expected.type.shape.elements(); ++i) {
    const double a = element_as_double(actual.view(), i), b = element_as_double(expected.view(), i);
    low = std::min(low, b);
    high = std::max(high, b);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    ++differ;
    const double distance = std::isnan(a - b) ? INFINITY : std::abs(a - b);
    if (distance > worst) worst = distance, at = i;
  }
  std::printf("  range [%g, %g], %lld elements differ, most by %g (%g of the range) at %lld\n", low, high,
              static_cast<long long>(differ), worst, high > low ? worst / (high - low) : worst,
              static_cast<long long>(at));
}

}  // namespace

int main(int count, char** words) {
  try {
    std::string model, folder, other;
    tools::InputOptions options;
    int threads = 1;
    bool optimize = true;
    for (int i = 1; i < count; ++i) {
      const std::string word = words[i];
      const auto value = [&] {
        if (i + 1 == count) fail(Error::Kind::usage, word, " needs a value");
        return std::string(words[++i]);
      };
      if (word == "-o")
        folder = value();
      else if (word == "--compare")
        other = value();
      else if (word == "-i")
        options.files.push_back(value());
      else if (word == "--shape")
        options.shapes.push_back(value());
      else if (word == "--threads")
        threads = std::atoi(value().c_str());
      else if (word == "--seed")
        options.seed = std::strtoull(value().c_str(), nullptr, 10);
      else if (word == "--default-dim")
        options.default_dim = std::atoll(value().c_str());
      else if (word == "--no-optimize")
        optimize = false;
      else if (model.empty())
        model = word;
      else
        options.files.push_back(word);
    }
    const char* library = std::getenv("TESSERA_ORT");
    if (model.empty() || !library)
      fail(Error::Kind::usage,
           "usage: TESSERA_ORT=libonnxruntime.so.1 ortrun MODEL [-o DIR] [--compare DIR] [--threads N]\n"
           "  [--seed N] [--default-dim N] [--shape NAME=1x3x64x64]... [-i NAME=FILE.npy]... [--no-optimize]");
    const peers::Ort ort(library);
    const peers::OrtSession session(ort, model, threads, optimize);
    const std::vector<Tensor> in = tools::make_inputs(session.inputs(), options);
    const std::vector<Tensor> out = session.run(in);
    if (!folder.empty()) std::filesystem::create_directories(folder);
    for (size_t i = 0; i < out.size(); ++i) {
      std::printf("%s: %s\n", session.outputs()[i].c_str(), out[i].bytes ? cat(out[i].type).c_str() : "not a tensor");
      if (!out[i].bytes) continue;
      const std::string name = tools::file_name(session.outputs()[i]) + ".npy";
      if (!folder.empty()) tools::write_npy(std::filesystem::path(folder) / name, out[i]);
      if (!other.empty()) compare(std::filesystem::path(other) / name, out[i]);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ortrun: %s\n", error.what());
    return 1;
  }
}
