// Times convolutions of a Vulkan device in half precision: single shapes of real networks, each checked at sampled
// outputs against sums in double precision, and whole networks' chains of them.
//
//   convolutions [--device N] [--repeat N] [--small] [WORD...]      only what contains a word
//
// µs are the device's time stamps, with a barrier after each step; medians of the repeats.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <map>

#include "ops/elementwise.h"
#include "ops/vulkan/backend.h"
#include "ops/vulkan/layouts.h"
#include "runtime/base/threads.h"

namespace tessera {
namespace {

// Deterministic, in [-1, 1].
float noise(uint64_t i, uint32_t seed) {
  uint64_t h = (i + 1) * 0x9e3779b97f4a7c15u + seed * 0xbf58476d1ce4e5b9u;
  h = (h ^ (h >> 31)) * 0x94d049bb133111ebu;
  return static_cast<float>(static_cast<int32_t>(h >> 32)) / 2147483648.0f;
}

Tensor noise_tensor(const Shape& shape, uint32_t seed, float scale) {
  Tensor tensor = Tensor::make({DType::float32, shape});
  for (int64_t i = 0; i < shape.elements(); ++i)
    tensor.as<float>()[i] = scale * static_cast<float>(float16(noise(static_cast<uint64_t>(i), seed)));
  return tensor;
}

// What follows the sums.
enum class After { nothing, prelu, residual, shuffle };

struct Layer {
  const char* name;
  int64_t in, out, width, height;
  After after = After::prelu;
  int64_t kernel = 3, stride = 1, images = 1;
};

// A chain of convolutions whose values lie where the test puts them.
class Chain {
 public:
  explicit Chain(const DeviceBackend& device) : device_(&device) {}

  // A block of memory for [1, channels, height, width].
  size_t block(const Type& type) {
    region_.storage.block_bytes.push_back(type.bytes());
    return region_.storage.block_bytes.size() - 1;
  }
  // Channels [first, first + count) of a block.
  ValueId value(size_t block, const Shape& shape, int64_t first = 0, Layout layout = vulkan::half16) {
    const Type type{DType::float32, shape, layout};
    Value value;
    value.type = type;
    value.ranked = true;
    const ValueId id = graph_.add_value(value);
    const int64_t plane = shape[2] * shape[3] * 16 * 2;
    region_.storage.places[id] = {block, first / 16 * plane, type.bytes()};
    return id;
  }
  ValueId constant(Tensor tensor) {
    Value value;
    value.type = tensor.type;
    value.ranked = true;
    value.constant = std::make_shared<const Tensor>(std::move(tensor));
    return graph_.add_value(value);
  }
  // A convolution; `residual` is added to a fifth of the result.
  void convolve(ValueId from, ValueId to, const Layer& shape, ValueId residual = absent) {
    Node node;
    node.op = find_op("", "Conv", 11);
    node.opset = 11;
    const int64_t k = shape.kernel, pad = k / 2;
    node.attrs = std::make_shared<const Attrs>(Attrs{{"pads", std::vector<int64_t>{pad, pad, pad, pad}},
                                                     {"strides", std::vector<int64_t>{shape.stride, shape.stride}}});
    const float scale = 1.0f / std::sqrt(static_cast<float>(shape.in * k * k));
    node.in = {from, constant(noise_tensor({shape.out, shape.in, k, k}, seed_++, scale)),
               constant(noise_tensor({shape.out}, seed_++, 0.1f))};
    node.own_inputs = 3;
    const auto apply = [&](uint16_t function, ValueId operand) {
      Fused fused;
      fused.function = function;
      fused.operand = static_cast<int16_t>(node.in.size());
      node.in.push_back(operand);
      node.epilogue.push_back(fused);
    };
    if (shape.after == After::prelu)
      apply(elementwise::PRelu, constant(noise_tensor({shape.out, 1, 1}, seed_++, 0.5f)));
    if (shape.after == After::residual) {
      Tensor fifth = Tensor::make({DType::float32, {}});
      fifth.as<float>()[0] = 0.2f;
      apply(elementwise::Mul, constant(fifth));
      apply(elementwise::Add, residual);
    }
    if (shape.after == After::shuffle) node.epilogue.push_back(Fused::depth_to_space(4, true));
    node.out = {to};
    graph_.nodes.push_back(std::move(node));
  }

  // The last node as many times.
  void repeat(int times) {
    const Node node = graph_.nodes.back();
    for (int i = 1; i < times; ++i) graph_.nodes.push_back(node);
  }

  std::vector<ValueId> inputs, outputs;
  Graph& graph() { return graph_; }

  // Whether the device offers a kernel for every node.
  bool compile() {
    for (const Node& node : graph_.nodes) {
      std::vector<Type> in, out;
      std::vector<const Tensor*> constants;
      for (const ValueId id : node.in) {
        in.push_back(graph_.values[id].type);
        constants.push_back(graph_.values[id].constant.get());
      }
      for (const ValueId id : node.out) out.push_back(graph_.values[id].type);
      std::vector<Offer> offers;
      device_->offers({node, in, out, constants}, offers);
      const auto fits = [&](const Offer& offer) { return offer.in == in[0].layout && offer.out == out[0].layout; };
      const auto found = std::find_if(offers.begin(), offers.end(), fits);
      if (found == offers.end()) return false;
      Step step;
      step.node = &node;
      step.offer = *found;
      steps_.push_back(step);
    }
    region_.graph = &graph_;
    region_.steps = steps_;
    region_.inputs = inputs;
    region_.outputs = outputs;
    program_ = device_->compile(region_);
    return true;
  }

  Text kernel() const { return steps_[0].offer.name; }

  // Microseconds of each step.
  std::vector<double> run(List<View> in, List<View> out, int repeat) {
    struct Times final : Profile {
      void step(const Node&, Text, double milliseconds) override { all.push_back(milliseconds * 1e3); }
      std::vector<double> all;
    };
    // A device that rests clocks low: it takes its time to wake up.
    const auto now = [] { return std::chrono::steady_clock::now(); };
    const auto awake = now() + std::chrono::milliseconds(repeat > 1 ? 500 : 0);
    while (now() < awake) program_->run(in, out, threads_, nullptr, {});
    std::vector<std::vector<double>> runs;
    for (int i = 0; i <= repeat; ++i) {
      Times times;
      program_->run(in, out, threads_, &times, {});
      if (i) runs.push_back(times.all);
    }
    std::vector<double> medians;
    for (size_t s = 0; s < runs[0].size(); ++s) {
      std::vector<double> values;
      for (const auto& one : runs) values.push_back(one[s]);
      std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
      medians.push_back(values[values.size() / 2]);
    }
    return medians;
  }

 private:
  const DeviceBackend* device_;
  Graph graph_;
  Region region_;
  std::vector<Step> steps_;
  std::unique_ptr<Program> program_;
  Threads threads_{1};
  uint32_t seed_ = 1;
};

// Halves in blocks of 16 channels.
struct Blocked {
  Tensor tensor;
  int64_t index(int64_t n, int64_t c, int64_t y, int64_t x) const {
    const Shape& s = tensor.type.shape;
    const int64_t blocks = (s[1] + 15) / 16;
    return ((((n * blocks) + c / 16) * s[2] + y) * s[3] + x) * 16 + c % 16;
  }
  double at(int64_t n, int64_t c, int64_t y, int64_t x) const {
    return static_cast<double>(static_cast<float>(tensor.as<const float16>()[index(n, c, y, x)]));
  }
};

Blocked noise_picture(const Shape& shape, uint32_t seed) {
  Blocked picture{Tensor::make({DType::float32, shape, vulkan::half16})};
  for (int64_t n = 0; n < shape[0]; ++n)
    for (int64_t c = 0; c < shape[1]; ++c)
      for (int64_t y = 0; y < shape[2]; ++y)
        for (int64_t x = 0; x < shape[3]; ++x) {
          const int64_t i = picture.index(n, c, y, x);
          picture.tensor.as<float16>()[i] = float16(noise(static_cast<uint64_t>(i), seed));
        }
  return picture;
}

// The largest error of sampled outputs.
double error_of(const Chain& chain, const Node& node, const Graph& graph, const Layer& shape, const Blocked& in,
                const Blocked& residual, const Tensor& out) {
  (void)chain;
  const auto values = [&](size_t i) { return graph.values[node.in[i]].constant->as<const float>(); };
  const float *weights = values(1), *bias = values(2);
  const Shape& result = out.type.shape;
  const bool shuffled = shape.after == After::shuffle;
  const int64_t height = shuffled ? result[2] / 4 : result[2], width = shuffled ? result[3] / 4 : result[3];
  const int64_t k = shape.kernel, pad = k / 2;
  double worst = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    const auto pick = [&](int64_t count, uint32_t seed) {
      if (i % 5 == seed % 5) return i % 2 ? count - 1 : int64_t{0};
      return std::min(count - 1, static_cast<int64_t>((noise(i, seed) + 1) / 2 * static_cast<float>(count)));
    };
    const int64_t n = pick(shape.images, 11), c = pick(shape.out, 12), y = pick(height, 13), x = pick(width, 14);
    double sum = static_cast<double>(bias[c]);
    for (int64_t ic = 0; ic < shape.in; ++ic)
      for (int64_t ky = 0; ky < k; ++ky)
        for (int64_t kx = 0; kx < k; ++kx) {
          const int64_t iy = y * shape.stride + ky - pad, ix = x * shape.stride + kx - pad;
          if (iy < 0 || ix < 0 || iy >= shape.height || ix >= shape.width) continue;
          const float weight = weights[((c * shape.in + ic) * k + ky) * k + kx];
          sum += in.at(n, ic, iy, ix) * static_cast<double>(static_cast<float>(float16(weight)));
        }
    if (shape.after == After::prelu && sum < 0) sum *= static_cast<double>(values(3)[c]);
    if (shape.after == After::residual) sum = sum * 0.2 + residual.at(n, c, y, x);
    double got = 0;
    if (shuffled) {
      const int64_t at = ((n * result[1] + c / 16) * result[2] + y * 4 + c % 16 / 4) * result[3] + x * 4 + c % 4;
      got = static_cast<double>(static_cast<float>(out.as<const float16>()[at]));
    } else {
      got = Blocked{out}.at(n, c, y, x);
    }
    const double off = std::abs(got - sum);
    worst = off <= worst ? worst : std::isnan(off) ? INFINITY : off;
  }
  return worst;
}

double flop(const Layer& s) {
  const auto pixels = static_cast<double>(s.images * (s.width / s.stride) * (s.height / s.stride));
  return 2.0 * pixels * static_cast<double>(s.in * s.out * s.kernel * s.kernel);
}

void time_one(const DeviceBackend& device, const Layer& shape, int repeat) {
  Chain chain(device);
  const int64_t height = (shape.height - 1) / shape.stride + 1, width = (shape.width - 1) / shape.stride + 1;
  const Shape in{shape.images, shape.in, shape.height, shape.width};
  const bool shuffled = shape.after == After::shuffle;
  const Shape out = shuffled ? Shape{shape.images, shape.out / 16, height * 4, width * 4}
                             : Shape{shape.images, shape.out, height, width};
  const Layout layout = shuffled ? vulkan::half : vulkan::half16;
  const auto place = [&](const Shape& s, Layout l) {
    return chain.value(chain.block({DType::float32, s, l}), s, 0, l);
  };
  const ValueId x = place(in, vulkan::half16), y = place(out, layout);
  chain.inputs = {x};
  const Blocked picture = noise_picture(in, 5);
  std::vector<View> views{picture.tensor.view()};
  Blocked added;
  ValueId residual = absent;
  if (shape.after == After::residual) {
    residual = place(out, layout);
    chain.inputs.push_back(residual);
    added = noise_picture(out, 6);
    views.push_back(added.tensor.view());
  }
  chain.outputs = {y};
  chain.convolve(x, y, shape, residual);
  chain.repeat(repeat > 1 ? 200 : 1);
  if (!chain.compile()) {
    std::cout << shape.name << ": no kernel\n";
    return;
  }
  Tensor result = Tensor::make({DType::float32, out, layout});
  const View view = result.view();
  const double us = chain.run(views, List<View>(&view, 1), repeat).back();
  const double error = error_of(chain, chain.graph().nodes[0], chain.graph(), shape, picture, added, result);
  std::printf("%-34s %-14s %9.1f us %7.1f TFLOP/s   error %.1e%s\n", shape.name, std::string(chain.kernel()).c_str(),
              us, flop(shape) / us * 1e-6, error, error < 4e-3 ? "" : "  WRONG");
  std::fflush(stdout);
}

struct Timed {
  double us = 0;
  int count = 0;
};

void report(const char* name, const std::vector<double>& times, const std::vector<Layer>& shapes) {
  std::map<std::string, Timed> by_shape;
  double total = 0, work = 0;
  for (size_t i = 0; i < times.size(); ++i) {
    const Layer& s = shapes[i];
    Timed& timed = by_shape[cat(s.in, "->", s.out, " ", s.width, "x", s.height)];
    timed.us += times[i];
    ++timed.count;
    total += times[i];
    work += flop(s);
  }
  std::printf("%s: %.3f ms, %.1f TFLOP/s\n", name, total * 1e-3, work / total * 1e-6);
  for (const auto& [shape, timed] : by_shape)
    std::printf("    %-26s %4d x %8.1f us\n", shape.c_str(), timed.count, timed.us / timed.count);
  std::fflush(stdout);
}

// From picture x to y.
void time_chain(const char* name, Chain& chain, ValueId x, ValueId y, const std::vector<Layer>& shapes, int repeat) {
  chain.inputs = {x};
  chain.outputs = {y};
  if (!chain.compile()) {
    std::cout << name << ": no kernel\n";
    return;
  }
  const Blocked picture = noise_picture(chain.graph().values[x].type.shape, 5);
  const Tensor result = Tensor::make(chain.graph().values[y].type);
  const View in = picture.tensor.view(), out = result.view();
  report(name, chain.run(List<View>(&in, 1), List<View>(&out, 1), repeat), shapes);
}

// 64 features, `body` convolutions between the first and the last.
void time_compact(const DeviceBackend& device, const char* name, int64_t width, int64_t height, int body, int repeat) {
  Chain chain(device);
  std::vector<Layer> shapes;
  const Shape features{1, 64, height, width}, small{1, 3, height, width}, large{1, 3, height * 4, width * 4};
  const auto block = [&](const Shape& s, Layout l) { return chain.block({DType::float32, s, l}); };
  const size_t turns[] = {block(features, vulkan::half16), block(features, vulkan::half16)};
  const ValueId x = chain.value(block(small, vulkan::half16), small);
  ValueId from = x;
  for (int i = 0; i <= body; ++i) {
    shapes.push_back({"", i ? 64 : 3, 64, width, height});
    const ValueId to = chain.value(turns[i % 2], features);
    chain.convolve(from, to, shapes.back());
    from = to;
  }
  shapes.push_back({"", 64, 48, width, height, After::shuffle});
  const ValueId y = chain.value(block(large, vulkan::half), large, 0, vulkan::half);
  chain.convolve(from, y, shapes.back());
  time_chain(name, chain, x, y, shapes, repeat);
}

// Dense blocks of 64 + 4 * 32 channels, `blocks` of them, whose concatenations are where their parts are.
void time_dense(const DeviceBackend& device, const char* name, int64_t width, int64_t height, int blocks, bool whole,
                int repeat) {
  Chain chain(device);
  std::vector<Layer> shapes;
  const Shape wide{1, 192, height, width}, features{1, 64, height, width}, small{1, 3, height, width};
  const auto block = [&](const Shape& s) { return chain.block({DType::float32, s, vulkan::half16}); };
  const size_t turns[] = {block(wide), block(wide)};
  const auto channels = [&](size_t in, int64_t first, int64_t count) {
    return chain.value(in, {1, count, height, width}, first);
  };
  const ValueId x = chain.value(block(small), small);
  shapes.push_back({"", 3, 64, width, height, After::nothing});
  chain.convolve(x, channels(turns[0], 0, 64), shapes.back());
  for (int i = 0; i < blocks; ++i) {
    const size_t here = turns[i % 2], next = turns[(i + 1) % 2];
    for (int64_t c = 64; c <= 192; c += 32) {
      const bool last = c == 192;
      shapes.push_back({"", c, last ? 64 : 32, width, height, last ? After::residual : After::prelu});
      chain.convolve(channels(here, 0, c), last ? channels(next, 0, 64) : channels(here, c, 32), shapes.back(),
                     last ? channels(here, 0, 64) : absent);
    }
  }
  ValueId from = channels(turns[blocks % 2], 0, 64);
  if (whole)
    for (const int64_t scale : {1, 2, 4, 4}) {
      const Shape shape{1, 64, height * scale, width * scale};
      // Doubling is not a part of this: larger pictures are what memory holds.
      const ValueId to = chain.value(block(shape), shape);
      const ValueId grown = scale == 1 ? from : chain.value(block(shape), shape);
      shapes.push_back({"", 64, 64, shape[3], shape[2]});
      chain.convolve(grown, to, shapes.back());
      from = to;
    }
  const Shape last{1, 3, whole ? height * 4 : height, whole ? width * 4 : width};
  const ValueId y = chain.value(block(last), last);
  shapes.push_back({"", 64, 3, last[3], last[2], After::nothing});
  chain.convolve(from, y, shapes.back());
  time_chain(name, chain, x, y, shapes, repeat);
}

constexpr Layer singles[] = {
    {"64->64 1280x720", 64, 64, 1280, 720},
    {"64->64 512x512", 64, 64, 512, 512},
    {"192->64 512x512 residual", 192, 64, 512, 512, After::residual},
    {"64->32 512x512", 64, 32, 512, 512},
    {"96->32 512x512", 96, 32, 512, 512},
    {"128->32 512x512", 128, 32, 512, 512},
    {"160->32 512x512", 160, 32, 512, 512},
    {"48->48 1280x720", 48, 48, 1280, 720},
    {"64->48 1280x720", 64, 48, 1280, 720},
    {"64->48 1280x720 shuffle", 64, 48, 1280, 720, After::shuffle},
    {"3->64 1280x720", 3, 64, 1280, 720},
    {"3->64 512x512", 3, 64, 512, 512},
    {"64->3 512x512", 64, 3, 512, 512, After::nothing},
    {"64->256 512x512", 64, 256, 512, 512, After::nothing},
    {"128->128 256x256", 128, 128, 256, 256},
    {"256->256 128x128", 256, 256, 128, 128},
    {"32->32 507x509 residual", 32, 32, 507, 509, After::residual},
    {"64->64 256x256", 64, 64, 256, 256},
    {"512->512 14x14", 512, 512, 14, 14},
    {"256->64 56x56 by 1x1", 256, 64, 56, 56, After::prelu, 1},
    {"64->256 56x56 by 1x1", 64, 256, 56, 56, After::prelu, 1},
    {"1024->256 14x14 by 1x1", 1024, 256, 14, 14, After::prelu, 1},
    {"128->128 56x56 by 3x3 / 2", 128, 128, 56, 56, After::prelu, 3, 2},
    {"3->64 224x224 by 7x7 / 2", 3, 64, 224, 224, After::prelu, 7, 2},
    {"64->64 1280x720 by 1x1", 64, 64, 1280, 720, After::prelu, 1},
    {"64->64 1280x720 by 5x5", 64, 64, 1280, 720, After::prelu, 5},
    {"128->128 256x256 by 3x3 / 2", 128, 128, 256, 256, After::prelu, 3, 2},
};

// The same for a device of one GFLOP/s.
constexpr Layer small_singles[] = {
    {"64->64", 64, 64, 40, 30},
    {"64->64 three pictures", 64, 64, 21, 9, After::prelu, 3, 1, 3},
    {"192->64 residual", 192, 64, 19, 17, After::residual},
    {"64->32", 64, 32, 37, 19},
    {"96->32", 96, 32, 37, 19},
    {"128->32", 128, 32, 37, 19},
    {"160->32", 160, 32, 21, 19},
    {"48->48", 48, 48, 37, 19},
    {"64->48 shuffle", 64, 48, 37, 19, After::shuffle},
    {"3->64", 3, 64, 37, 41},
    {"64->3", 64, 3, 37, 41, After::nothing},
    {"3->48", 3, 48, 37, 41},
    {"16->16", 16, 16, 37, 41},
    {"35->61 two pictures", 35, 61, 21, 9, After::prelu, 3, 1, 2},
    {"35->13 two pictures", 35, 13, 21, 9, After::prelu, 3, 1, 2},
    {"11->13 three pictures", 11, 13, 21, 9, After::prelu, 3, 1, 3},
    {"128->16", 128, 16, 37, 11},
    {"64->256", 64, 256, 19, 11, After::nothing},
    {"70->75", 70, 75, 19, 11},
    {"5->7 3x2", 5, 7, 3, 2},
    {"21->35 by 1x1", 21, 35, 17, 9, After::prelu, 1},
    {"5->24 by 5x5 / 2", 5, 24, 17, 9, After::prelu, 5, 2, 2},
    {"48->48 by 1x1 residual", 48, 48, 17, 9, After::residual, 1},
};

int run(int count, char** words) {
  int device_index = -1, repeat = 5;
  bool small = false;
  std::vector<std::string> wanted;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--small")
      small = true;
    else if (word == "--device" && i + 1 < count)
      device_index = std::atoi(words[++i]);
    else if (word == "--repeat" && i + 1 < count)
      repeat = std::max(1, std::atoi(words[++i]));
    else
      wanted.push_back(word);
  }
  std::string why;
  const auto device = vulkan::make_backend(device_index, &why, Precision::fp16);
  if (!device || device->precision() != Precision::fp16) {
    std::cerr << "convolutions: " << (device ? "the device stores no float16" : why) << '\n';
    return 1;
  }
  const auto is_wanted = [&](const std::string& name) {
    return wanted.empty() || std::any_of(wanted.begin(), wanted.end(),
                                         [&](const std::string& word) { return name.find(word) != std::string::npos; });
  };
  const List<Layer> shapes = small ? List<Layer>(small_singles) : List<Layer>(singles);
  for (const Layer& shape : shapes)
    if (is_wanted(shape.name)) time_one(*device, shape, repeat);
  if (small) {
    if (is_wanted("compact")) time_compact(*device, "compact 64x2 32x24", 32, 24, 2, repeat);
    if (is_wanted("dense")) time_dense(*device, "dense 1, 24x16", 24, 16, 1, true, repeat);
    return 0;
  }
  if (is_wanted("compact")) time_compact(*device, "compact 64x16 1280x720", 1280, 720, 16, repeat);
  if (is_wanted("dense")) time_dense(*device, "dense 69 blocks 512x512", 512, 512, 69, false, repeat);
  if (is_wanted("rrdb")) time_dense(*device, "rrdb 23 512x512", 512, 512, 69, true, repeat);
  return 0;
}

}  // namespace
}  // namespace tessera

int main(int count, char** words) {
  try {
    return tessera::run(count, words);
  } catch (const tessera::Error& error) {
    std::cerr << "convolutions: " << error.what() << '\n';
    return 1;
  }
}
