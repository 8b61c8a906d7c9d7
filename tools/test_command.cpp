// tessera test: ONNX's backend tests, each in a process of its own.
#include <poll.h>

#include <algorithm>
#include <iostream>
#include <list>
#include <map>

#include "runtime/base/cores.h"
#include "tools/conformance.h"
#include "tools/npy.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

struct TestCommand {
  ModelOptions options;
  std::vector<std::string> folders;
  std::string json_file, filter;
  int jobs = 0;
  double seconds = 120;
  bool verbose = false;
};

constexpr const char* status_names[] = {"passed", "failed", "unsupported"};

struct Totals {
  int passed = 0, failed = 0, unsupported = 0;
  std::map<std::string, int> operators;  // unsupported ones, with the number of tests that want them
  std::map<std::string, int> on_host;    // those that a device left to the CPU, likewise
};

// Runs the cases, several at once, and hands each result to `done` in the order of the cases.
template <class Done>
void run_all(const std::vector<ConformanceCase>& cases, const TestCommand& command, const Done& done) {
  struct Slot {
    size_t index;
    std::unique_ptr<IsolatedCase> process;
  };
  const size_t jobs = static_cast<size_t>(command.jobs ? command.jobs : available_cores());
  const SessionOptions options = command.options.session_options();
  std::list<Slot> running;
  std::map<size_t, CaseResult> waiting;
  size_t next = 0, printed = 0;
  while (printed < cases.size()) {
    if (interrupted()) fail(Error::Kind::cancelled, "interrupted");
    while (running.size() < jobs && next < cases.size()) {
      running.push_back({next, std::make_unique<IsolatedCase>(cases[next], options, command.seconds)});
      ++next;
    }
    std::vector<pollfd> descriptors;
    double patience = 1;
    for (const Slot& slot : running) {
      descriptors.push_back({slot.process->descriptor(), POLLIN, 0});
      patience = std::min(patience, slot.process->seconds_left());
    }
    if (!descriptors.empty())
      ::poll(descriptors.data(), descriptors.size(), std::max(0, static_cast<int>(patience * 1000) + 1));
    for (auto slot = running.begin(); slot != running.end();) {
      if (!slot->process->advance()) {
        ++slot;
        continue;
      }
      waiting[slot->index] = std::move(slot->process->result);
      slot = running.erase(slot);
    }
    for (auto found = waiting.find(printed); found != waiting.end(); found = waiting.find(printed)) {
      done(cases[printed], found->second);
      waiting.erase(found);
      ++printed;
    }
  }
}

int test(const TestCommand& command) {
  std::vector<ConformanceCase> cases;
  for (const std::string& folder : command.folders)
    for (ConformanceCase& one : find_cases(folder))
      if (one.name.find(command.filter) != std::string::npos) cases.push_back(std::move(one));
  if (cases.empty())
    fail(Error::Kind::usage, "there are no tests: a test is a folder of model.onnx and test_data_set_*");

  Totals totals;
  nlohmann::json all = nlohmann::json::array();
  run_all(cases, command, [&](const ConformanceCase& one, const CaseResult& result) {
    const char* status = status_names[static_cast<size_t>(result.status)];
    all.push_back({{"name", one.name},
                   {"model", one.model.string()},
                   {"status", status},
                   {"message", result.message},
                   {"unsupported", result.unsupported},
                   {"on_host", result.on_host},
                   {"ms", result.milliseconds}});
    for (const std::string& line : result.unsupported) ++totals.operators[line.substr(0, line.find(','))];
    for (const std::string& name : result.on_host) ++totals.on_host[name];
    if (result.status == CaseResult::Status::passed) {
      ++totals.passed;
      if (command.verbose) std::cout << "passed: " << one.name << '\n';
      return;
    }
    if (result.status == CaseResult::Status::unsupported)
      ++totals.unsupported;
    else
      ++totals.failed;
    if (result.status == CaseResult::Status::failed || command.verbose)
      std::cout << status << ": " << one.name << ": " << result.message << std::endl;
  });

  if (!command.json_file.empty()) {
    const nlohmann::json report{{"passed", totals.passed},
                                {"failed", totals.failed},
                                {"unsupported", totals.unsupported},
                                {"unsupported_operators", totals.operators},
                                {"operators_on_host", totals.on_host},
                                {"tests", all}};
    write_file(command.json_file, text_of(report, 1) + "\n");
  }
  const auto list = [](const auto& operators) {
    const char* separator = " ";
    for (const auto& [name, number] : operators) {
      std::cout << separator << name << " x" << number;
      separator = "; ";
    }
    std::cout << '\n';
  };
  if (totals.unsupported) {
    std::cout << totals.unsupported << " unsupported, counted as failed; the operators:";
    list(totals.operators);
  }
  if (!totals.on_host.empty()) {
    std::cout << "left to the CPU:";
    list(totals.on_host);
  }
  const int failed = totals.failed + totals.unsupported;
  std::cout << totals.passed << " passed, " << failed << " failed\n";
  return failed ? exit_failed : exit_done;
}

}  // namespace

void add_test(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<TestCommand>();
  // Cases run side by side; each on one thread unless asked otherwise.
  command->options.session.threads = 1;
  command->options.session.device = "cpu";
  CLI::App* sub = app.add_subcommand("test", "Run ONNX backend tests found in folders");
  sub->add_option("DIR", command->folders, "Folders, searched for tests at every depth")->required();
  sub->add_option("--json", command->json_file, "Write every result to this file")->type_name("FILE");
  sub->add_option("--filter", command->filter, "Only tests whose name contains this")->type_name("TEXT");
  sub->add_option("--jobs", command->jobs, "Tests at once; 0 for one per core (default)")
      ->type_name("N")
      ->check(CLI::Range(0, 1024).description(""));
  sub->add_option("--timeout", command->seconds, "Seconds that one test may take (120)")
      ->type_name("S")
      ->check(CLI::PositiveNumber.description(""));
  sub->add_flag("-v,--verbose", command->verbose, "Print tests that pass or are unsupported, too");
  add_session(*sub, command->options);
  sub->footer(R"(
A test is a folder with model.onnx and test_data_set_0, ...; or a file X.onnx beside X_output_0.pb. It passes
if every output has the expected type and shape, and |a - b| <= 1e-7 + 1e-3 |b|. Each runs in a process of
its own, so that a crash fails one test only. Here the device is the CPU and --threads is 1 by default.

Examples:
  tessera test onnx/backend/test/data/node
  tessera test tests/ --filter resize --verbose
  tessera test tests/ --no-optimize --json results.json)");
  sub->callback([command, &exit_code] { exit_code = test(*command); });
}

}  // namespace tessera::tools
