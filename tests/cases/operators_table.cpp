// Prints docs/operators.md: every operator, and what runs it beside its reference, found by asking the backends for
// every case of tests/cases/. `./dev operators` writes the page; docs_test.py holds it against this program. With
// --rows: the registry alone, for schemas_test.py.
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
  bool formula = false;
  std::set<std::string> cpu, vulkan, half;
  int cases = 0;
};

using Table = std::map<std::pair<std::string, std::string>, Entry>;

Table all_operators() {
  Table table;
  for (const OpDef* op : all_ops()) {
    if (op->domain == internal_domain) continue;
    Entry& entry = table[{std::string(op->domain), std::string(op->name)}];
    entry.since.push_back(op->since);
    entry.types = op->types;
    entry.formula |= !op->formula.empty();
  }
  return table;
}

// `halves`: of those alone that store float32 as float16.
void ask(const Backend& backend, const Case& c, std::set<std::string>& kernels, bool halves = false) {
  for (const Offer& offer : offers_of(backend, c))
    if (offer.kernel && (!halves || offer.out.form->float32_as == DType::float16)) kernels.emplace(offer.name);
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

std::string versions_of(const Entry& entry) {
  std::string text;
  for (const int since : entry.since) text += cat(text.empty() ? "" : ", ", since);
  return text;
}

void print(const Table& table) {
  std::cout << "# Operators\n\n"
               "Written by `./dev operators` from the registry and from the cases that the tests run. Every operator "
               "has a reference\nfor all its types, or a *formula*: the loader writes down what it is in terms of "
               "others, whose kernels run it then.\nThe CPU's kernels are those of AVX2 and more; Vulkan's are those "
               "of any device, *fp16* those of them that store and\nread float16 where half precision is asked for. "
               "*Versions* are the opsets that changed what it does; *cases* are how\nmany of the shared cases test "
               "it, on the CPU and on Vulkan, beside tests of its own.\n";
  std::string domain = "-";
  for (const auto& [key, entry] : table) {
    if (key.first != domain) {
      domain = key.first;
      std::cout << "\n## " << (domain.empty() ? "ai.onnx" : domain)
                << "\n\n| operator | versions | types | CPU | Vulkan | fp16 | cases |\n|---|---|---|---|---|---|---|\n";
    }
    const auto kernels = [&](const std::set<std::string>& names) {
      return entry.formula ? std::string("formula") : joined(names);
    };
    std::cout << "| " << key.second << " | " << versions_of(entry) << " | " << escaped(entry.types) << " | "
              << kernels(entry.cpu) << " | " << kernels(entry.vulkan) << " | " << kernels(entry.half) << " | "
              << entry.cases << " |\n";
  }
}

// domain, name, since, inputs, outputs, types; then attributes: name, number, text, required, since, last.
int print_rows() {
  std::cout.precision(17);
  for (const OpDef* op : all_ops()) {
    if (op->domain == internal_domain) continue;
    std::cout << op->domain << '\t' << op->name << '\t' << op->since << '\t' << op->in.min << '\t' << op->in.max << '\t'
              << op->out.min << '\t' << op->out.max << '\t' << op->types;
    for (const AttrDef& attr : op->attrs)
      std::cout << '\t' << attr.name << ',' << attr.number << ',' << attr.text << ',' << attr.required << ','
                << attr.since << ',' << attr.last;
    std::cout << '\n';
  }
  return 0;
}

int run() {
  if (cpu::best_level() < cpu::Level::avx2) {
    std::cerr << "this machine has no AVX2: the table would be short\n";
    return 77;
  }
  cpu::pin_level(cpu::Level::avx2);
  const auto cpu = cpu::make_backend();
  std::unique_ptr<DeviceBackend> device, half;
  std::string why = "this build has no Vulkan";
#ifdef TESSERA_VULKAN
  device = vulkan::make_backend(0, &why);
  if (device) half = vulkan::make_backend(0, &why, Precision::fp16);
#endif
  if (!device || !half || half->precision() != Precision::fp16) {
    std::cerr << "no Vulkan device that stores float16, so its columns would be empty: " << why << '\n';
    return 77;
  }
  Table table = all_operators();
  const auto take = [&](const Case& c) {
    const auto found = table.find({c.domain, c.op});
    if (found == table.end()) return;
    ask(*cpu, c, found->second.cpu);
    ask(*device, c, found->second.vulkan);
    ask(*half, c, found->second.half, true);
    ++found->second.cases;
  };
  for (const CaseList* list : all_case_lists()) list->give({take, false});
  for (auto& [key, entry] : table) std::sort(entry.since.begin(), entry.since.end());
  print(table);
  return 0;
}

}  // namespace
}  // namespace tessera::test

int main(int argc, char** argv) {
  return argc > 1 && tessera::Text(argv[1]) == "--rows" ? tessera::test::print_rows() : tessera::test::run();
}
