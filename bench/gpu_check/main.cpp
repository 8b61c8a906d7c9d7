// gpu_check: all that is worth knowing of a GPU, in the few minutes that one has it. Correctness first, then speed;
// each result is on disk as soon as it is known.
#include <CLI/CLI.hpp>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <map>

#include "bench/gpu_check/checks.h"
#include "bench/gpu_check/networks.h"
#include "runtime/base/base.h"

namespace tessera::check {
namespace {

struct Command {
  Options options;
  std::string folder = "gpu_check";
  std::vector<std::string> stages, seconds;
  int jobs = 8;
};

struct Step {
  const char* name;
  double seconds;
  double item_seconds;  // 0: it ends by itself
  bool many;            // workers at once
  std::function<std::vector<Item>(const Options&, double seconds)> items;
};

// In their order.
std::vector<Step> all_steps() {
  const auto in = [](auto make, const char* precision) {
    return [=](const Options& options, double) { return make(options, precision); };
  };
  const auto plain = [](auto make) { return [=](const Options& options, double) { return make(options); }; };
  return {
      {"facts", 20, 20, false, plain(facts)},
      {"known_answers", 40, 40, false, plain(known_answers)},
      {"networks", 30, 30, true, plain(write_networks)},
      {"cases_fp32", 45, 20, true, in(cases, "fp32")},
      {"cases_fp16", 45, 20, true, in(cases, "fp16")},
      {"models_fp32", 45, 30, true, in(models, "fp32")},
      {"models_fp16", 45, 30, true, in(models, "fp16")},
      {"table_fp16", 60, 30, false, in(table, "fp16")},
      {"table_fp32", 60, 30, false, in(table, "fp32")},
      {"torch", 120, 0, false, peers},
      {"sweep_fp16", 40, 20, false, in(sweep, "fp16")},
      {"sweep_fp32", 40, 20, false, in(sweep, "fp32")},
      {"tilings", 60, 20, false, plain(tilings)},
  };
}

// NAME=SECONDS for stages whose names begin with NAME.
double seconds_of(const Step& step, const std::vector<std::string>& given) {
  double seconds = step.seconds;
  for (const std::string& option : given) {
    const size_t equals = option.find('=');
    if (equals == std::string::npos) fail(Error::Kind::usage, "\"", option, "\": write STAGE=SECONDS");
    if (std::string_view(step.name).starts_with(option.substr(0, equals)))
      seconds = std::stod(option.substr(equals + 1));
  }
  return seconds;
}

bool is_wanted(const Step& step, const std::vector<std::string>& stages) {
  return stages.empty() || std::any_of(stages.begin(), stages.end(), [&](const std::string& name) {
           return std::string_view(step.name).starts_with(name);
         });
}

int run(Command& command) {
  std::filesystem::create_directories(command.folder);
  Options& options = command.options;
  options.networks = command.folder + "/networks";
  options.journal = command.folder + "/gpu_check.jsonl";
  const Journal journal(options.journal);
  journal.write({{"stage", "begin"}, {"time", static_cast<int64_t>(std::time(nullptr))}, {"tiny", options.tiny}});
  for (const Step& step : all_steps()) {
    if (!is_wanted(step, command.stages)) continue;
    const double seconds = seconds_of(step, command.seconds);
    const double patience = (step.item_seconds > 0 ? step.item_seconds : seconds + 20) * (options.tiny ? 10 : 1);
    const Stage stage{step.name, step.many ? command.jobs : 1, seconds, patience};
    try {
      run_stage(journal, stage, step.items(options, seconds));
    } catch (const std::exception& error) {
      journal.write({{"stage", step.name}, {"error", error.what()}});
      std::cout << step.name << ": " << error.what() << std::endl;
    }
  }
  std::cout << "all of it: " << options.journal << '\n';
  return 0;
}

}  // namespace
}  // namespace tessera::check

int main(int count, char** words) {
  using namespace tessera::check;
  CLI::App app("Checks and times tessera on a GPU; what it finds is in FOLDER/gpu_check.jsonl as soon as it is known.");
  Command command;
  Options& options = command.options;
  options.torch = "bench/gpu_check/torch_peers.py";
  app.add_option("--out", command.folder, "Where the journal and the models of the table go (gpu_check)")
      ->type_name("FOLDER");
  app.add_option("--device", options.device, "The N of vulkan:N (0)")->type_name("N");
  app.add_option("--models", options.models, "A folder of more models to check; may be repeated")->type_name("FOLDER");
  app.add_option("--stages", command.stages, "Only stages whose names begin so")->type_name("NAME")->delimiter(',');
  app.add_option("--seconds", command.seconds, "How long a stage may begin new items")
      ->type_name("STAGE=SECONDS")
      ->delimiter(',');
  app.add_option("--jobs", command.jobs, "Workers that check at once (8); what is timed runs alone")->type_name("N");
  app.add_option("--side", options.side, "Of the pictures that models are checked with (48)")->type_name("PIXELS");
  app.add_option("--torch", options.torch, "The script that times PyTorch")->type_name("FILE");
  app.add_flag("--tiny", options.tiny, "Few small things: shows that it works on a software renderer");
  std::string stages;
  for (const char* name :
       {"facts", "known_answers", "networks", "cases", "models", "table", "torch", "sweep", "tilings"})
    stages += std::string(stages.empty() ? "" : ", ") + name;
  app.footer("Stages, in their order: " + stages + "; most in fp32 and in fp16, as cases_fp16.");
  CLI11_PARSE(app, count, words);
  try {
    return run(command);
  } catch (const std::exception& error) {
    std::cerr << "gpu_check: " << error.what() << '\n';
    return 1;
  }
}
