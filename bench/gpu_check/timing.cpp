// Facts, the table, PyTorch beside it, and the sweep: how fast the device is.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <thread>

#include "bench/gpu_check/checks.h"
#include "bench/gpu_check/networks.h"
#include "ops/cpu/backend.h"
#include "ops/vulkan/backend.h"
#include "ops/vulkan/kernel.h"
#include "ops/vulkan/matrix_tiles.h"
#include "runtime/plan/plan.h"
#include "tests/cases/case.h"
#include "tools/inputs.h"
#include "tools/machine.h"
#include "tools/node_times.h"

namespace tessera::check {

std::vector<Item> facts(const Options& options) {
  return {{"machine",
           [](Json& line) {
             line["machine"] = tools::machine_json();
             return Result::ok;
           }},
          {"peaks", [&options](Json& line) {
             line["peaks"] = tools::json_of(vulkan::measure(*device(options, "fp32")));
             return Result::ok;
           }}};
}

std::vector<Item> write_networks(const Options& options) {
  std::vector<Item> items;
  for (const Network& network : networks(options.tiny))
    items.push_back({network.name, [network, &options](Json&) {
                       network.write(options.networks);
                       return Result::ok;
                     }});
  return items;
}

namespace {

Json nodes_json(const std::vector<tools::NodeTime>& nodes, size_t most) {
  Json rows = Json::array();
  for (size_t i = 0; i < std::min(most, nodes.size()); ++i) {
    const tools::NodeTime& node = nodes[i];
    rows.push_back({{"node", node.node},
                    {"op", node.op},
                    {"kernel", node.kernel},
                    {"backend", node.backend},
                    {"nodes", node.nodes},
                    {"ms", node.time.ms},
                    {"low_ms", node.time.low},
                    {"high_ms", node.time.high},
                    {"gflops", node.gflops()},
                    {"gb_per_s", node.gigabytes()}});
  }
  return rows;
}

// As many runs as fit in a second, and at least three.
Result time_row(const Network& network, const std::string& shape, const Options& options, const std::string& precision,
                Json& line) {
  SessionOptions wanted;
  wanted.device = cat("vulkan:", options.device);
  wanted.precision = precision;
  const auto load = tools::Clock::now();
  const Session session(network.path(options.networks), wanted);
  line["load_ms"] = tools::milliseconds_since(load);
  tools::InputOptions given;
  given.shapes = {cat(session.inputs()[0].name, '=', shape)};
  const std::vector<Tensor> in = tools::make_inputs(session.inputs(), given);
  std::vector<Type> types;
  for (const Tensor& tensor : in) types.push_back(tensor.type);
  const auto plan = tools::Clock::now();
  static_cast<void>(session.forecast(types));
  line["plan_ms"] = tools::milliseconds_since(plan);
  tools::Runner runner(session, in);
  line["first_run_ms"] = runner.run(nullptr);
  const double begin = seconds_now();
  const Traffic& traffic = *session.traffic();
  std::vector<double> times, resident;
  while (times.size() < 3 || (times.size() < 50 && seconds_now() - begin < 1)) {
    const int64_t busy = traffic.busy_ns;
    times.push_back(runner.run(nullptr));
    resident.push_back(static_cast<double>(traffic.busy_ns - busy) * 1e-6);
  }
  tools::NodeTimes profile;
  for (int i = 0; i < 3; ++i) {
    profile.start_run();
    runner.run(&profile);
  }
  const std::vector<StepInfo> steps = session.steps(types);
  double flops = 0;
  for (const StepInfo& step : steps) flops += step.flops;
  std::vector<tools::NodeTime> nodes = profile.medians(steps);
  double sum = 0;
  for (const tools::NodeTime& node : nodes) sum += node.time.ms;
  line["runs"] = times.size();
  const tools::Spread whole = tools::spread_of(times);
  const double on_device = tools::spread_of(resident).ms;
  line["end_to_end_ms"] = whole.ms;
  line["low_ms"] = whole.low;
  line["high_ms"] = whole.high;
  line["resident_ms"] = on_device;
  line["steps_ms"] = sum;
  line["gflops"] = on_device > 0 ? flops / on_device / 1e6 : 0;
  line["note"] = session.device_note();
  line["operators"] = nodes_json(tools::grouped(nodes), 40);
  std::stable_sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a.time.ms > b.time.ms; });
  line["nodes"] = nodes_json(nodes, 24);
  std::cout << cat("  ", network.name, ' ', shape, ' ', precision, ": resident ", line["resident_ms"],
                   " ms, end to end ", line["end_to_end_ms"], " ms\n")
            << std::flush;
  return Result::ok;
}

}  // namespace

std::vector<Item> table(const Options& options, const std::string& precision) {
  std::vector<Item> items;
  for (const Network& network : networks(options.tiny))
    for (const std::string& shape : network.shapes)
      items.push_back({cat(network.name, ' ', shape, ' ', precision), [=, &options](Json& line) {
                         line["network"] = network.name;
                         line["shape"] = shape;
                         line["precision"] = precision;
                         return time_row(network, shape, options, precision, line);
                       }});
  return items;
}

namespace {

// Runs a program with the journal as its last argument; ends it after so many seconds. Its exit status, -1 if it was
// ended.
int run_program(const std::vector<std::string>& words, double seconds) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child < 0) fail(Error::Kind::memory, "cannot start ", words[0]);
  if (child == 0) {
    setpgid(0, 0);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  const double begin = seconds_now();
  for (int status = 0;;) {
    if (waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (seconds_now() - begin > seconds) {
      kill(-child, SIGKILL);
      waitpid(child, &status, 0);
      return -1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace

std::vector<Item> peers(const Options& options, double seconds) {
  return {{"PyTorch", [&options, seconds](Json& line) {
             const int has = run_program({"python3", "-c",
                                          "import importlib.util as u, sys; sys.exit(not u.find_spec('torch') or not "
                                          "__import__('torch').cuda.is_available())"},
                                         60);
             if (has != 0) {
               line["note"] = "no PyTorch with a device";
               return Result::ok;
             }
             const double left = std::max(10.0, seconds - 10);
             const int status = run_program({"python3", options.torch, options.journal, std::to_string(left)}, seconds);
             line["status"] = status;
             return status <= 0 ? Result::ok : Result::failed;
           }}};
}

namespace {

// The device with one of its kernels for the operator in question.
class OneKernel final : public DeviceBackend {
 public:
  OneKernel(std::shared_ptr<DeviceBackend> device, const OpDef* op, const void* kernel)
      : device_(std::move(device)), op_(op), kernel_(kernel) {}
  Text name() const override { return device_->name(); }
  void offers(const Problem& problem, std::vector<Offer>& out) const override {
    device_->offers(problem, out);
    if (problem.node.op == op_) std::erase_if(out, [&](const Offer& offer) { return offer.kernel != kernel_; });
  }
  MemoryRules memory_rules() const override { return device_->memory_rules(); }
  std::unique_ptr<Program> compile(const Region& region) const override { return device_->compile(region); }
  std::unique_ptr<Resident> make_resident(int64_t bytes, const Sharing& sharing) const override {
    return device_->make_resident(bytes, sharing);
  }
  bool holds(const Resident& resident) const override { return device_->holds(resident); }

 private:
  std::shared_ptr<DeviceBackend> device_;
  const OpDef* op_;
  const void* kernel_;
};

struct StepTimes : Profile {
  const OpDef* op;
  std::vector<double> times;
  explicit StepTimes(const OpDef* wanted) : op(wanted) {}
  void step(const Node& node, Text, double milliseconds) override {
    if (node.op == op) times.push_back(milliseconds);
  }
};

Json time_offer(const test::Question& question, const std::shared_ptr<DeviceBackend>& device, const Offer& offer) {
  std::vector<View> in, out;
  for (size_t i = 0; i < question.inputs().size(); ++i)
    if (!question.inputs()[i].constant && question.node().in[i] != absent)
      in.push_back(question.inputs()[i].tensor.view());
  std::vector<Tensor> results;
  for (const Type& type : question.out_types()) results.push_back(Tensor::make(type));
  for (const Tensor& result : results) out.push_back(result.view());
  const OpDef* op = question.node().op;
  PackCache packs;
  Threads threads(1);
  const auto one = std::make_shared<OneKernel>(device, op, offer.kernel);
  const Plan plan(question.graph(), {one, cpu::make_backend()}, packs, {.count_crossings = false});
  plan.run(in, out, threads, {});
  StepTimes profile(op);
  for (int i = 0; i < 5; ++i) plan.run(in, out, threads, {.profile = &profile});
  tools::NodeTime time;
  time.op = op->name;
  time.kernel = offer.name;
  time.time = tools::spread_of(profile.times);
  for (const auto& types : {question.types(), question.out_types()})
    for (const Type& type : types)
      if (type.dtype != DType::undefined) time.bytes += static_cast<double>(type.bytes());
  const AttrReader attrs(question.node());
  if (op->work)
    time.flops = op->work(attrs, List<Type>(question.types()).first(question.node().op_inputs()), question.out_types());
  return nodes_json({time}, 1)[0];
}

}  // namespace

std::vector<Item> sweep(const Options& options, const std::string& precision) {
  std::vector<Item> items;
  for (const test::CaseList* list : test::all_case_lists()) {
    if (!list->layers) continue;
    const auto take = [&](const test::Case& c) {
      const auto kept = std::make_shared<const test::Case>(c);
      items.push_back({test::Question(c).title() + " " + precision, [kept, &options, precision](Json& line) {
                         const std::shared_ptr<DeviceBackend>& backend = device(options, precision);
                         const std::vector<Offer> offers = test::offers_of(*backend, *kept);
                         if (offers.empty()) return Result::cpu;
                         const test::Question question(*kept);
                         line["kernels"] = Json::array();
                         for (const Offer& offer : offers)
                           line["kernels"].push_back(time_offer(question, backend, offer));
                         return Result::ok;
                       }});
    };
    list->give({take, !options.tiny});
  }
  if (options.tiny && items.size() > 6) items.resize(6);
  return items;
}

std::vector<Item> tilings(const Options& options) {
  std::vector<Item> items;
  const auto take = [&](const test::Case& c) {
    const auto kept = std::make_shared<const test::Case>(c);
    items.push_back({test::Question(c).title() + " tilings", [kept, &options](Json& line) {
                       const std::shared_ptr<DeviceBackend>& backend = device(options, "fp16");
                       const std::vector<Offer> offers = test::offers_of(*backend, *kept);
                       if (offers.empty()) return Result::cpu;
                       if (!offers[0].name.ends_with(".matrix")) {
                         line["note"] = "the device has no matrix units";
                         return Result::ok;
                       }
                       const test::Question question(*kept);
                       line["chosen"] = time_offer(question, backend, offers[0]);
                       line["tilings"] = Json::array();
                       for (int shape = 0; shape < vulkan::tiling_count(); ++shape)
                         for (const uint32_t parts : {1u, 2u, 4u, 8u}) {
                           vulkan::only_tiling = {shape, parts};
                           const Json time = time_offer(question, backend, offers[0]);
                           line["tilings"].push_back({{"shape", shape}, {"parts", parts}, {"ms", time["ms"]}});
                         }
                       vulkan::only_tiling = {};
                       return Result::ok;
                     }});
  };
  for (const test::CaseList* list : test::all_case_lists())
    if (list->name == "MatMulLayers") list->give({take, !options.tiny});
  if (options.tiny) items.resize(1);
  return items;
}

}  // namespace tessera::check
