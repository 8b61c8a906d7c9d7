// Prints docs/operators.md: every operator, and what runs it beside its reference, found by asking the backends for
// every case of tests/cases/. `./dev operators` writes the page; docs_test.py holds it against this program.
#include <iostream>
#include <map>
#include <set>

#include "ops/cpu/backend.h"
#include "ops/cpu/level.h"
#include "tests/cases/case.h"
#ifdef TESSERA_VULKAN
#include "ops/vulkan/backend.h"
#endif

namespace tessera::test {
namespace {

struct Entry {
  std::vector<int> since;
  Text types;
  std::set<std::string> cpu, vulkan;
};

using Table = std::map<std::pair<std::string, std::string>, Entry>;

Table all_operators() {
  Table table;
  for (const OpDef* op : all_ops()) {
    if (op->domain == internal_domain) continue;
    Entry& entry = table[{std::string(op->domain), std::string(op->name)}];
    entry.since.push_back(op->since);
    entry.types = op->types;
  }
  return table;
}

void ask(const Backend& backend, const Case& c, std::set<std::string>& kernels) {
  for (const Offer& offer : offers_of(backend, c))
    if (offer.kernel) kernels.emplace(offer.name);
}

std::string joined(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : "; ") + name;
  return text;
}

// For a cell of a table.
std::string escaped(Text text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

void print(const Table& table) {
  std::cout << "# Operators\n\n"
               "Written by `./dev operators` from the registry and from the cases that the tests run. Every operator "
               "has a reference\nfor all its types. The CPU's kernels are those of AVX2 and more; Vulkan's are those "
               "of any device. *Versions* are the\nopsets that changed what it does.\n";
  std::string domain = "-";
  for (const auto& [key, entry] : table) {
    if (key.first != domain) {
      domain = key.first;
      std::cout << "\n## " << (domain.empty() ? "ai.onnx" : domain)
                << "\n\n| operator | versions | types | CPU | Vulkan |\n|---|---|---|---|---|\n";
    }
    std::cout << "| " << key.second << " | ";
    for (size_t i = 0; i < entry.since.size(); ++i) std::cout << (i ? ", " : "") << entry.since[i];
    std::cout << " | " << escaped(entry.types) << " | " << joined(entry.cpu) << " | " << joined(entry.vulkan) << " |\n";
  }
}

int run() {
  if (cpu::best_level() < cpu::Level::avx2) {
    std::cerr << "this machine has no AVX2: the table would be short\n";
    return 77;
  }
  cpu::pin_level(cpu::Level::avx2);
  const auto cpu = cpu::make_backend();
  std::unique_ptr<DeviceBackend> device;
  std::string why = "this build has no Vulkan";
#ifdef TESSERA_VULKAN
  device = vulkan::make_backend(0, &why);
#endif
  if (!device) {
    std::cerr << "no Vulkan device, so its column would be empty: " << why << '\n';
    return 77;
  }
  Table table = all_operators();
  const auto take = [&](const Case& c) {
    const auto found = table.find({c.domain, c.op});
    if (found == table.end()) return;
    ask(*cpu, c, found->second.cpu);
    ask(*device, c, found->second.vulkan);
  };
  for (const CaseList* list : all_case_lists()) list->give({take, false});
  for (auto& [key, entry] : table) std::sort(entry.since.begin(), entry.since.end());
  print(table);
  return 0;
}

}  // namespace
}  // namespace tessera::test

int main() { return tessera::test::run(); }
