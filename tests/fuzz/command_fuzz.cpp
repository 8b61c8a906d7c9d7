// Fuzzes command lines: words that the command knows, in any order, with files that are there or not, in a folder of
// its own. Each ends with one of the exit codes that the command promises, and says why where it failed.
#include <sys/stat.h>

#include <iostream>
#include <sstream>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/models.h"
#include "tests/upscale_pictures.h"
#include "upscale/codecs/codec.h"

int command_main(int count, char** words);  // tools/main.cpp's main

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

// What the command writes to its streams while one lives.
class Heard {
 public:
  Heard() : out_(std::cout.rdbuf(said_.rdbuf())), err_(std::cerr.rdbuf(complained_.rdbuf())) {}
  ~Heard() {
    std::cout.rdbuf(out_);
    std::cerr.rdbuf(err_);
    std::cout.clear();
    std::cerr.clear();
  }
  Heard(const Heard&) = delete;
  Heard& operator=(const Heard&) = delete;
  std::string said() const { return said_.str(); }
  std::string complained() const { return complained_.str(); }

 private:
  std::ostringstream said_, complained_;
  std::streambuf *out_, *err_;
};

int run(std::vector<std::string> words) {
  words.insert(words.begin(), "tessera");
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return command_main(static_cast<int>(words.size()), pointers.data());
}

constexpr Text commands[] = {"upscale", "run",     "inspect", "check",   "test", "models", "completion",
                             "man",     "devices", "compare", "upscale", "run",  "inspect"};

// Options of each command, as it tells shells: "command:--option".
const std::vector<std::string>& options() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> found;
    std::string text;
    {
      const Heard heard;
      run({"completion", "bash"});
      text = heard.said();
    }
    for (size_t at = text.find("--"); at != std::string::npos; at = text.find("--", at + 2)) {
      size_t end = at + 2;
      while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '-')) ++end;
      // Not where it waits for what never comes, serves, or takes seconds on purpose.
      const std::string word = text.substr(at, end - at);
      if (end > at + 2 && std::find(found.begin(), found.end(), word) == found.end()) found.push_back(word);
    }
    if (found.size() < 30) finding(cat("the command tells shells of ", found.size(), " options"));
    for (const char* word : {"-i", "-o", "-m", "-n", "-f", "-s", "-t", "-g", "-j", "-h", "-q", "-r"})
      found.emplace_back(word);
    return found;
  }();
  return all;
}

std::string value(Choices& choices) {
  constexpr Text values[] = {"in.png",
                             "in.jpg",
                             "deep",
                             "none.png",
                             "model.onnx",
                             "up.onnx",
                             "bad.onnx",
                             "out.png",
                             "out.jpg",
                             "out",
                             "out.webp",
                             "0",
                             "1",
                             "2",
                             "-1",
                             "3.5",
                             "99999999999999999999",
                             "1e9",
                             "4x4",
                             "100%",
                             "x",
                             "",
                             "-",
                             "--",
                             "cpu",
                             "fp32",
                             "auto",
                             "x0=1x3x8x8",
                             "x0=2",
                             "x=in.npy",
                             "rgb",
                             "bicubic",
                             "0:255",
                             "1/2",
                             "{name}",
                             "png",
                             "jpg",
                             "art-x2",
                             "photo-x9",
                             "bash",
                             "fish",
                             "60",
                             "32",
                             "16",
                             "#ffffff",
                             "8x8",
                             "x0=in.npy",
                             "in.npy",
                             "*.png",
                             "deep/in.png",
                             "64M",
                             "\xff\xfe",
                             "%s%n",
                             "ffffffffffffffffff"};
  return std::string(choices.pick(values));
}

// Files as they were, and no others.
void prepare(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) fs::remove_all(entry.path());
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder / name, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
  };
  std::vector<std::string> notes;
  fs::create_directories(folder / "deep");
  for (const auto& [name, format] : {std::pair("in.png", upscale::Format::png),
                                     {"in.jpg", upscale::Format::jpeg},
                                     {"deep/in.png", upscale::Format::png}}) {
    const upscale::Bytes bytes = upscale::encode(upscale::noise(6, 5, 3), format, {.threads = 1}, notes);
    write(name, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }
  Pen pen;
  pen.graph->mutable_input(0)->set_name("x0");
  pen.node("Relu", {"x0"}, {"y"});
  write("model.onnx", pen.model.SerializeAsString());
  Pen up;
  up.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  *up.graph->add_initializer() = proto_of("scales", floats({4}, {1, 1, 2, 2}));
  up.node("Resize", {"x", "", "scales"}, {"y"});
  write("up.onnx", up.model.SerializeAsString());
  write("bad.onnx", "no model");
  write("in.npy", "\x93NUMPY");
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> made;
  for (int i = 0; i < 96; ++i) {
    std::string text;
    for (int k = 0; k < 24; ++k) text.push_back(static_cast<char>((k + 1) * (2 * i + 1) * 37));
    made.push_back(text);
  }
  return made;
}

// What the fuzzer does with its bytes.
void run_a_line(Choices choices) {
  static const TemporaryFolder folder, cache;
  static const bool ready = [] {
    setenv("TESSERA_CACHE", cache.path().c_str(), 1);
    fs::current_path(folder.path());
    return std::freopen("/dev/null", "r", stdin) != nullptr;
  }();
  if (!ready) finding("no folder to work in");
  static int used = 0;
  if (used++ % 64 == 0) prepare(folder.path());
  std::vector<std::string> words;
  if (choices.below(20)) words.emplace_back(choices.pick(commands));
  // What most lines have: else nearly all end at the same word.
  if (!words.empty() && words[0] == "upscale" && choices.below(4))
    words.insert(words.end(), {"-i", "in.png", "-o", "out.png", "-m", "up.onnx", "--threads", "1"});
  if (!words.empty() && choices.below(2) && (words[0] == "run" || words[0] == "inspect" || words[0] == "check"))
    words.emplace_back("model.onnx");
  for (int64_t n = choices.below(6); n > 0; --n) {
    std::string word = choices.below(3) ? choices.pick(options()) : value(choices);
    if (choices.below(8) == 0) word.append("=").append(value(choices));
    words.push_back(word);
    if (word.starts_with('-') && choices.below(2)) words.push_back(value(choices));
  }
  std::string line;
  for (const std::string& word : words) line.append(" '").append(word).append("'");
  int code = 0;
  std::string complained;
  {
    const Heard heard;
    code = run(words);
    complained = heard.complained();
  }
  if (code < 0 || code > 3) finding(cat("tessera", line, " ended with ", code));
  if (complained.find("report it") != std::string::npos) finding(cat("tessera", line, ": ", complained));
}

}  // namespace tessera::test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tessera::test::run_a_line(tessera::test::Choices(tessera::List<uint8_t>(data, size)));
  return 0;
}
