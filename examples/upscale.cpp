// Upscales a grey ramp with an RGB upscaler, twice: once into memory of the library's, once into
// memory of our own, and checks that both runs agree.
//
//     c++ -std=c++20 upscale.cpp $(pkg-config --cflags --libs tessera) -o upscale && ./upscale model.onnx
#include <algorithm>
#include <cstdio>
#include <tessera/tessera.hpp>

namespace api = tessera::api;

int main(int argc, char** argv) try {
  if (argc != 2) return std::fprintf(stderr, "usage: upscale MODEL.onnx\n"), 2;
  api::Options options;
  options.threads = 1;
  const api::Session session(argv[1], options);

  constexpr int64_t size = 24;
  std::vector<float> picture(3 * size * size);
  for (size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<float>(i % size) / size;
  const api::Tensor input(std::span<const float>(picture), {1, 3, size, size});

  const api::Result result = session.run({&input, 1});
  const api::Tensor output = result[0];
  std::printf("%s: %lldx%lld -> %lldx%lld on %s\n", argv[1], static_cast<long long>(size), static_cast<long long>(size),
              static_cast<long long>(output.dims()[3]), static_cast<long long>(output.dims()[2]),
              session.device().c_str());

  const auto first = output.elements<float>();
  std::vector<float> own(first.size());
  const api::Tensor buffer(std::span<float>(own), output.dims());
  session.run_into({&input, 1}, {&buffer, 1});
  if (!std::equal(own.begin(), own.end(), first.begin())) return std::fprintf(stderr, "the runs differ\n"), 1;
  return 0;
} catch (const api::Failure& failure) {
  std::fprintf(stderr, "%s\n", failure.what());
  return 1;
}
