#include "bench/gpu_check/networks.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include "runtime/base/base.h"

namespace tessera::check {
namespace {

// --- What networks are made of ------------------------------------------------------------------

// Deviations are He's times the root of `gain`, so that values neither grow nor vanish.
std::string conv(ModelPen& pen, const std::string& x, int64_t from, int64_t to, int64_t kernel = 3, int64_t stride = 1,
                 double gain = 2) {
  const int64_t pad = kernel / 2;
  const auto fan = static_cast<double>(from * kernel * kernel);
  return pen.op(
      "Conv", {x, pen.weights({to, from, kernel, kernel}, std::sqrt(gain / fan)), pen.uniform({to}, 0, 0.05)},
      {{"kernel_shape", Ints{kernel, kernel}}, {"strides", Ints{stride, stride}}, {"pads", Ints{pad, pad, pad, pad}}});
}

std::string prelu(ModelPen& pen, const std::string& x, int64_t channels) {
  return pen.op("PRelu", {x, pen.uniform({channels, 1, 1}, 0.25, 0.1)});
}

std::string leaky(ModelPen& pen, const std::string& x) { return pen.op("LeakyRelu", {x}, {{"alpha", 0.2f}}); }
std::string relu(ModelPen& pen, const std::string& x) { return pen.op("Relu", {x}); }
std::string add(ModelPen& pen, const std::string& a, const std::string& b) { return pen.op("Add", {a, b}); }
std::string scaled(ModelPen& pen, const std::string& x, float by) { return pen.op("Mul", {x, pen.scalar(by)}); }

std::string shuffle(ModelPen& pen, const std::string& x, int64_t block) {
  return pen.op("DepthToSpace", {x}, {{"blocksize", block}, {"mode", std::string("CRD")}});
}

std::string nearest(ModelPen& pen, const std::string& x, float by) {
  const float scales[] = {1, 1, by, by};
  return pen.op("Resize", {x, "", pen.floats({4}, scales)},
                {{"mode", std::string("nearest")},
                 {"coordinate_transformation_mode", std::string("asymmetric")},
                 {"nearest_mode", std::string("floor")}});
}

std::string transpose(ModelPen& pen, const std::string& x, const Ints& perm) {
  return pen.op("Transpose", {x}, {{"perm", perm}});
}
std::string reshape(ModelPen& pen, const std::string& x, const Ints& shape) {
  return pen.op("Reshape", {x, pen.ints(shape)});
}
std::string linear(ModelPen& pen, const std::string& x, int64_t from, int64_t to) {
  const double deviation = 1 / std::sqrt(static_cast<double>(from));
  return add(pen, pen.op("MatMul", {x, pen.weights({from, to}, deviation)}), pen.uniform({to}, 0, 0.02));
}
std::string gelu(ModelPen& pen, const std::string& x) {
  const std::string erf = pen.op("Erf", {pen.op("Div", {x, pen.scalar(std::sqrt(2.0f))})});
  return scaled(pen, pen.op("Mul", {x, add(pen, erf, pen.scalar(1))}), 0.5f);
}
std::string layer_norm(ModelPen& pen, const std::string& x, int64_t channels) {
  return pen.op("LayerNormalization", {x, pen.uniform({channels}, 1, 0.1), pen.uniform({channels}, 0, 0.1)},
                {{"axis", int64_t{-1}}, {"epsilon", 1e-5f}});
}

std::string picture(ModelPen& pen, int64_t channels = 3) { return pen.input("input", {"N", channels, "H", "W"}); }
void upscaled(ModelPen& pen, const std::string& x, int64_t channels = 3) {
  pen.output(x, "output", {"N", channels, "H2", "W2"});
}

// --- Upscalers --------------------------------------------------------------------------------------

void compact(ModelPen& pen, int64_t layers) {
  constexpr int64_t features = 64, scale = 4;
  const std::string in = picture(pen);
  std::string x = prelu(pen, conv(pen, in, 3, features), features);
  for (int64_t i = 0; i < layers; ++i) x = prelu(pen, conv(pen, x, features, features, 3, 1, 1.88), features);
  x = shuffle(pen, conv(pen, x, features, 3 * scale * scale, 3, 1, 0.2), scale);
  upscaled(pen, add(pen, x, nearest(pen, in, scale)));
}

void rrdb(ModelPen& pen, int64_t blocks) {
  constexpr int64_t features = 64, growth = 32;
  const auto dense = [&](const std::string& x) {
    Names parts{x};
    const auto joined = [&] { return parts.size() == 1 ? x : pen.op("Concat", parts, {{"axis", int64_t{1}}}); };
    for (int64_t i = 0; i < 4; ++i) parts.push_back(leaky(pen, conv(pen, joined(), features + i * growth, growth)));
    return add(pen, scaled(pen, conv(pen, joined(), features + 4 * growth, features), 0.2f), x);
  };
  const std::string first = conv(pen, picture(pen), 3, features);
  std::string x = first;
  for (int64_t i = 0; i < blocks; ++i) {
    std::string y = x;
    for (int k = 0; k < 3; ++k) y = dense(y);
    x = add(pen, scaled(pen, y, 0.2f), x);
  }
  x = add(pen, first, conv(pen, x, features, features));
  for (int i = 0; i < 2; ++i) x = leaky(pen, conv(pen, nearest(pen, x, 2), features, features));
  x = leaky(pen, conv(pen, x, features, features));
  upscaled(pen, conv(pen, x, features, 3, 3, 1, 0.2));
}

void edsr(ModelPen& pen, int64_t blocks) {
  constexpr int64_t features = 64, scale = 2;
  const auto shift = [&](const std::string& x, float sign) {
    const float one[] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, mean[] = {0.4488f * sign, 0.4371f * sign, 0.4040f * sign};
    return pen.op("Conv", {x, pen.floats({3, 3, 1, 1}, one), pen.floats({3}, mean)}, {{"kernel_shape", Ints{1, 1}}});
  };
  const std::string head = conv(pen, shift(picture(pen), -1), 3, features);
  std::string x = head;
  for (int64_t i = 0; i < blocks; ++i) {
    const std::string inner = relu(pen, conv(pen, x, features, features));
    x = add(pen, conv(pen, inner, features, features, 3, 1, 0.1), x);
  }
  x = add(pen, conv(pen, x, features, features), head);
  x = shuffle(pen, conv(pen, x, features, features * scale * scale, 3, 1, 1), scale);
  upscaled(pen, shift(conv(pen, x, features, 3, 3, 1, 1), 1));
}

void span(ModelPen& pen, int64_t middle) {
  constexpr int64_t features = 48, scale = 4;
  const auto silu = [&](const std::string& x) { return pen.op("Mul", {x, pen.op("Sigmoid", {x})}); };
  std::string first_of_last;
  const auto block = [&](const std::string& x) {
    first_of_last = conv(pen, x, features, features);
    const std::string b = conv(pen, silu(first_of_last), features, features);
    const std::string c = conv(pen, silu(b), features, features);
    const std::string gate = pen.op("Sub", {pen.op("Sigmoid", {c}), pen.scalar(0.5f)});
    return pen.op("Mul", {add(pen, c, x), gate});
  };
  const std::string in = conv(pen, picture(pen), 3, features), first = block(in);
  std::string x = first;
  for (int64_t i = 0; i < middle; ++i) x = block(x);
  x = conv(pen, block(x), features, features);
  x = pen.op("Concat", {in, x, first, first_of_last}, {{"axis", int64_t{1}}});
  x = conv(pen, x, 4 * features, features, 1);
  upscaled(pen, shuffle(pen, conv(pen, x, features, 3 * scale * scale, 3, 1, 1), scale));
}

void espcn(ModelPen& pen) {
  const auto tanh = [&](const std::string& x) { return pen.op("Tanh", {x}); };
  std::string x = tanh(conv(pen, picture(pen, 1), 1, 64, 5, 1, 1));
  x = tanh(conv(pen, x, 64, 32, 3, 1, 1));
  upscaled(pen, shuffle(pen, conv(pen, x, 32, 4, 3, 1, 1), 2), 1);
}

void fsrcnn(ModelPen& pen) {
  constexpr int64_t wide = 56, narrow = 12;
  std::string x = prelu(pen, conv(pen, picture(pen, 1), 1, wide, 5), wide);
  x = prelu(pen, conv(pen, x, wide, narrow, 1), narrow);
  for (int i = 0; i < 4; ++i) x = prelu(pen, conv(pen, x, narrow, narrow), narrow);
  x = prelu(pen, conv(pen, x, narrow, wide, 1), wide);
  x = pen.op("ConvTranspose",
             {x, pen.weights({wide, 1, 9, 9}, std::sqrt(4.0 / (wide * 81))), pen.uniform({1}, 0, 0.05)},
             {{"kernel_shape", Ints{9, 9}},
              {"strides", Ints{2, 2}},
              {"pads", Ints{4, 4, 4, 4}},
              {"output_padding", Ints{1, 1}}});
  upscaled(pen, x, 1);
}

// --- SwinIR, with the graph that exporters write ------------------------------------------------------

class Swin {
 public:
  Swin(ModelPen& pen, int64_t side, const Ints& depths) : pen_(pen), side_(side), depths_(depths) {}

  void draw() {
    constexpr int64_t scale = 4;
    const std::string in = pen_.input("input", {int64_t{1}, int64_t{3}, side_, side_});
    make_mask();
    const std::string first = conv(pen_, in, 3, features, 3, 1, 1);
    std::string x = layer_norm(pen_, sequence(first), features);
    for (const int64_t depth : depths_) {
      std::string y = x;
      for (int64_t i = 0; i < depth; ++i) y = block(y, i % 2 ? window / 2 : 0);
      x = add(pen_, sequence(conv(pen_, image(y), features, features, 3, 1, 1)), x);
    }
    x = add(pen_, conv(pen_, image(layer_norm(pen_, x, features)), features, features, 3, 1, 1), first);
    x = shuffle(pen_, conv(pen_, x, features, 3 * scale * scale, 3, 1, 1), scale);
    pen_.output(x, "output", {int64_t{1}, int64_t{3}, side_ * scale, side_ * scale});
  }

 private:
  static constexpr int64_t features = 60, window = 8, heads = 6, area = window * window, each = features / heads;

  int64_t windows() const { return side_ / window * (side_ / window); }
  std::string sequence(const std::string& x) {
    return transpose(pen_, reshape(pen_, x, {1, features, side_ * side_}), {0, 2, 1});
  }
  std::string image(const std::string& x) {
    return reshape(pen_, transpose(pen_, x, {0, 2, 1}), {1, features, side_, side_});
  }

  // Windows that wrap around the picture's edge hold parts that do not see each other.
  void make_mask() {
    const auto part = [&](int64_t at) { return at < side_ - window ? 0 : at < side_ - window / 2 ? 1 : 2; };
    std::vector<float> values;
    const int64_t across = side_ / window;
    for (int64_t w = 0; w < windows(); ++w) {
      const auto region = [&](int64_t pixel) {
        return 3 * part(w / across * window + pixel / window) + part(w % across * window + pixel % window);
      };
      for (int64_t a = 0; a < area; ++a)
        for (int64_t b = 0; b < area; ++b) values.push_back(region(a) == region(b) ? 0.0f : -100.0f);
    }
    mask_ = pen_.floats({1, windows(), 1, area, area}, values);
  }

  std::string roll(std::string x, int64_t by) {
    const auto slice = [&](int64_t from, int64_t to, int64_t axis) {
      return pen_.op("Slice", {x, pen_.ints({from}), pen_.ints({to}), pen_.ints({axis})});
    };
    for (const int64_t axis : {1, 2}) {
      const int64_t at = by < 0 ? -by : side_ - by;
      const std::string tail = slice(at, int64_t{1} << 31, axis), head = slice(0, at, axis);
      x = pen_.op("Concat", {tail, head}, {{"axis", axis}});
    }
    return x;
  }

  std::string attend(const std::string& x, bool shifted) {
    std::string qkv = reshape(pen_, linear(pen_, x, features, 3 * features), {windows(), area, 3, heads, each});
    qkv = transpose(pen_, qkv, {2, 0, 3, 1, 4});
    const auto part = [&](int64_t i) { return pen_.op("Gather", {qkv, pen_.whole(i)}, {{"axis", int64_t{0}}}); };
    const std::string q = part(0), k = part(1), v = part(2);
    const float scale = 1 / std::sqrt(static_cast<float>(each));
    std::string scores = pen_.op("MatMul", {scaled(pen_, q, scale), transpose(pen_, k, {0, 1, 3, 2})});
    scores = add(pen_, scores, pen_.weights({1, heads, area, area}, 0.1));
    if (shifted) {
      scores = add(pen_, reshape(pen_, scores, {1, windows(), heads, area, area}), mask_);
      scores = reshape(pen_, scores, {-1, heads, area, area});
    }
    scores = pen_.op("Softmax", {scores}, {{"axis", int64_t{-1}}});
    const std::string y = transpose(pen_, pen_.op("MatMul", {scores, v}), {0, 2, 1, 3});
    return linear(pen_, reshape(pen_, y, {windows(), area, features}), features, features);
  }

  std::string block(const std::string& in, int64_t shift) {
    const int64_t across = side_ / window;
    std::string y = reshape(pen_, layer_norm(pen_, in, features), {1, side_, side_, features});
    if (shift) y = roll(y, -shift);
    y = transpose(pen_, reshape(pen_, y, {1, across, window, across, window, features}), {0, 1, 3, 2, 4, 5});
    y = attend(reshape(pen_, y, {-1, area, features}), shift != 0);
    y = transpose(pen_, reshape(pen_, y, {-1, across, across, window, window, features}), {0, 1, 3, 2, 4, 5});
    y = reshape(pen_, y, {1, side_, side_, features});
    if (shift) y = roll(y, shift);
    const std::string x = add(pen_, in, reshape(pen_, y, {1, side_ * side_, features}));
    const std::string inner = gelu(pen_, linear(pen_, layer_norm(pen_, x, features), features, 2 * features));
    return add(pen_, x, linear(pen_, inner, 2 * features, features));
  }

  ModelPen& pen_;
  int64_t side_;
  Ints depths_;
  std::string mask_;
};

// --- Others ---------------------------------------------------------------------------------------

void resnet(ModelPen& pen, const Ints& depths) {
  std::string x = relu(pen, conv(pen, picture(pen), 3, 64, 7, 2));
  x = pen.op("MaxPool", {x}, {{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}});
  int64_t from = 64, width = 64;
  for (size_t stage = 0; stage < depths.size(); ++stage, width *= 2)
    for (int64_t i = 0; i < depths[stage]; ++i) {
      const int64_t stride = stage && i == 0 ? 2 : 1;
      std::string y = relu(pen, conv(pen, x, from, width, 1));
      y = relu(pen, conv(pen, y, width, width, 3, stride));
      y = conv(pen, y, width, 4 * width, 1, 1, 0.3);
      if (i == 0) x = conv(pen, x, from, 4 * width, 1, stride, 1);
      x = relu(pen, add(pen, y, x));
      from = 4 * width;
    }
  x = pen.op("Flatten", {pen.op("GlobalAveragePool", {x})}, {{"axis", int64_t{1}}});
  x = pen.op("Gemm",
             {x, pen.weights({1000, from}, 1 / std::sqrt(static_cast<double>(from))), pen.uniform({1000}, 0, 0.05)},
             {{"transB", int64_t{1}}});
  pen.output(x, "output", {"N", int64_t{1000}});
}

void bert(ModelPen& pen, int64_t layers, int64_t width, int64_t heads, int64_t words) {
  constexpr int64_t length = 128;
  const int64_t each = width / heads;
  const auto tokens = [&](const char* name) { return pen.input(name, {int64_t{1}, length}, ModelPen::Type::int64); };
  const std::string ids = tokens("input_ids"), kinds = tokens("token_type_ids"), given = tokens("attention_mask");
  const auto embedded = [&](int64_t count, const std::string& which) {
    return pen.op("Gather", {pen.weights({count, width}, 0.5), which});
  };
  std::string x = add(pen, embedded(words, ids), embedded(2, kinds));
  x = layer_norm(pen, add(pen, x, pen.weights({1, length, width}, 0.1)), width);
  std::string mask = pen.op("Cast", {pen.op("Unsqueeze", {given, pen.ints({1, 2})})}, {{"to", int64_t{1}}});
  mask = scaled(pen, pen.op("Sub", {pen.scalar(1), mask}), -10000);
  for (int64_t i = 0; i < layers; ++i) {
    const auto split = [&](const Ints& perm) {
      return transpose(pen, reshape(pen, linear(pen, x, width, width), {0, 0, heads, each}), perm);
    };
    const std::string q = split({0, 2, 1, 3}), k = split({0, 2, 3, 1}), v = split({0, 2, 1, 3});
    const std::string root = pen.scalar(std::sqrt(static_cast<float>(each)));
    const std::string scores = add(pen, pen.op("Div", {pen.op("MatMul", {q, k}), root}), mask);
    std::string y = pen.op("MatMul", {pen.op("Softmax", {scores}, {{"axis", int64_t{-1}}}), v});
    y = reshape(pen, transpose(pen, y, {0, 2, 1, 3}), {0, 0, width});
    x = layer_norm(pen, add(pen, linear(pen, y, width, width), x), width);
    const std::string inner = gelu(pen, linear(pen, x, width, 4 * width));
    x = layer_norm(pen, add(pen, linear(pen, inner, 4 * width, width), x), width);
  }
  pen.output(x, "last_hidden_state", {int64_t{1}, length, width});
}

}  // namespace

std::vector<Network> networks(bool tiny) {
  const auto shapes = [&](std::vector<std::string> real, const char* small) {
    return tiny ? std::vector<std::string>{small} : std::move(real);
  };
  const auto few = [tiny](int64_t count) { return tiny ? int64_t{1} : count; };
  const int64_t side = tiny ? 16 : 256;
  const char* small = "1x3x8x8";
  return {
      {"compact16", [=](ModelPen& p) { compact(p, few(16)); }, shapes({"1x3x720x1280", "1x3x256x256"}, small)},
      {"rrdb23", [=](ModelPen& p) { rrdb(p, few(23)); }, shapes({"1x3x512x512", "1x3x256x256"}, small)},
      {"edsr", [=](ModelPen& p) { edsr(p, few(16)); }, shapes({"1x3x720x1280"}, small)},
      {"span", [=](ModelPen& p) { span(p, few(4)); }, shapes({"1x3x720x1280"}, small)},
      {"compact32", [=](ModelPen& p) { compact(p, few(32)); }, shapes({"1x3x720x1280"}, small)},
      {"swinir_light",
       [=](ModelPen& p) {
         Swin(p, side, tiny ? Ints{2} : Ints{6, 6, 6, 6}).draw();
       },
       {cat("1x3x", side, "x", side)}},
      {"resnet50",
       [=](ModelPen& p) {
         resnet(p, tiny ? Ints{1, 1} : Ints{3, 4, 6, 3});
       },
       shapes({"1x3x224x224", "16x3x224x224"}, "1x3x32x32")},
      {"bert_base",
       [=](ModelPen& p) { bert(p, few(12), tiny ? 64 : 768, tiny ? 4 : 12, tiny ? 100 : 30522); },
       {"1x128"}},
      {"espcn", espcn, shapes({"1x1x720x1280"}, "1x1x8x8")},
      {"fsrcnn", fsrcnn, shapes({"1x1x720x1280"}, "1x1x8x8")},
  };
}

void Network::write(const std::string& folder) const {
  std::filesystem::create_directories(folder);
  if (std::filesystem::exists(path(folder))) return;
  ModelPen pen(std::hash<std::string>{}(name));
  draw(pen);
  const std::string unfinished = path(folder) + ".part";
  {
    std::ofstream file(unfinished, std::ios::binary);
    file << pen.model(name);
    if (!file.flush()) fail(Error::Kind::file, "cannot write ", unfinished);
  }
  std::filesystem::rename(unfinished, path(folder));
}

}  // namespace tessera::check
