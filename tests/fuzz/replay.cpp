// A fuzzer without libFuzzer: over its seeds and a number of mutants of them, which are the same on every machine, or
// over files that libFuzzer kept.
//
//   NAME_replay [--mutants N] [--from M]   the seeds, and mutants M .. M+N-1
//   NAME_replay FILE...                    these inputs
//   NAME_replay --seeds FOLDER             writes the seeds there, for libFuzzer to begin with
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/fuzz.h"

namespace {

using namespace tessera;

// What runs now, to be told if it is the last.
char running[512] = "nothing";

void tell_what_ran(int signal) {
  constexpr char head[] = "\nended by ";
  [[maybe_unused]] ssize_t ignored = write(2, head, sizeof head - 1);
  ignored = write(2, running, strlen(running));
  ignored = write(2, "\n", 1);
  if (signal == SIGALRM) _exit(1);
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void run(const std::string& what, const std::string& input) {
  std::snprintf(running, sizeof running, "%s", what.c_str());
  alarm(120);
  // A copy of its own size, so that a sanitizer sees what reads beyond it.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

// Mutants of the seeds, and bytes that are random throughout.
std::string mutant(const std::vector<std::string>& seeds, uint32_t index) {
  test::Choices choices(index);
  const auto byte = [&] { return static_cast<char>(choices.below(256)); };
  std::string input = seeds.empty() || choices.below(4) == 0 ? "" : choices.pick(seeds);
  if (input.empty()) {
    for (int64_t n = choices.below(200); n > 0; --n) input.push_back(byte());
    return input;
  }
  for (int64_t n = choices.roll(1, 8); n > 0 && !input.empty(); --n) {
    const auto at = static_cast<size_t>(choices.below(static_cast<int64_t>(input.size())));
    switch (choices.below(6)) {
      case 0: input[at] = byte(); break;
      case 1: input[at] = static_cast<char>(input[at] ^ 1 << choices.below(8)); break;
      case 2: input.insert(at, 1, byte()); break;
      case 3: input.erase(at, static_cast<size_t>(choices.roll(1, 8))); break;
      case 4: input.resize(at); break;
      default: input[at] = choices.pick({'\0', '\x7f', '\x80', '\xff'}); break;
    }
  }
  return input;
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(2);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_seeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::string& seed : test::seeds())
    std::ofstream(folder / cat("seed_", number++), std::ios::binary)
        .write(seed.data(), static_cast<std::streamsize>(seed.size()));
}

}  // namespace

int main(int count, char** words) {
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM}) std::signal(signal, tell_what_ran);
  uint32_t from = 0, mutants = 0;
  int64_t executions = 0;
  bool files = false;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const char* next = i + 1 < count ? words[i + 1] : "";
    if (word == "--seeds") return write_seeds(next), 0;
    if (word == "--mutants") {
      mutants = static_cast<uint32_t>(std::stoul(next)), ++i;
    } else if (word == "--from") {
      from = static_cast<uint32_t>(std::stoul(next)), ++i;
    } else {
      run(word, content_of(word));
      files = true, ++executions;
    }
  }
  if (!files) {
    const auto seeds = test::seeds();
    for (size_t i = 0; i < seeds.size() && from == 0; ++i, ++executions) run(cat("seed ", i), seeds[i]);
    for (uint32_t i = from; i < from + mutants; ++i, ++executions)
      run(cat("mutant ", i, " (again: --from ", i, " --mutants 1)"), mutant(seeds, i));
  }
  std::printf("%lld executions, no finding\n", static_cast<long long>(executions));
  return 0;
}
