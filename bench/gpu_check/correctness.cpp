// Known answers, cases and models: whether the device computes what it should.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "bench/gpu_check/checks.h"
#include "bench/gpu_check/networks.h"
#include "ops/vulkan/backend.h"
#include "tests/cases/device_case.h"
#include "tools/inputs.h"

namespace tessera::check {

const std::shared_ptr<DeviceBackend>& device(const Options& options, const std::string& precision) {
  static std::map<std::string, std::shared_ptr<DeviceBackend>> opened;
  std::shared_ptr<DeviceBackend>& backend = opened[precision];
  if (backend) return backend;
  std::string why;
  backend = vulkan::make_backend(options.device, &why, precision == "fp16" ? Precision::fp16 : Precision::fp32);
  if (!backend) fail(Error::Kind::device, why);
  return backend;
}

std::vector<Item> known_answers(const Options& options) {
  return {{"every variant", [&options](Json& line) {
             line["failures"] = vulkan::ask_every_variant(*device(options, "fp32"));
             if (line["failures"].empty()) return Result::ok;
             line["error"] = line["failures"].dump();
             return Result::wrong;
           }}};
}

namespace {

// The largest difference of numbers that are right in both or in neither: of the largest that is expected.
struct Difference {
  double worst = 0, largest = 0;
  bool within = true;  // what is allowed, element by element

  void compare(double given, double expected, double absolute, double relative) {
    if (given == expected || (std::isnan(given) && std::isnan(expected))) return;
    const double off = std::abs(given - expected);
    worst = off <= worst ? worst : std::isnan(off) ? INFINITY : off;
    if (!(off <= absolute + relative * std::abs(expected))) within = false;
  }
  double of_range() const { return largest > 0 ? worst / largest : worst; }
};

double largest_of(const Tensor& tensor) {
  double largest = 0;
  for (const double value : test::elements(tensor))
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  return largest;
}

constexpr double picture_of_range = 2.0 / 255, float_of_range = 1e-4;

Result check_case(const test::Case& c, const std::shared_ptr<DeviceBackend>& backend, Json& line) {
  const std::vector<Offer> offers = test::offers_of(*backend, c);
  if (offers.empty()) return Result::cpu;
  const bool halves = test::is_half(offers[0]);
  line["kernel"] = offers[0].name;
  line["halves"] = halves;
  const test::DeviceAnswer answer = test::ask_device(backend, halves ? test::in_half_precision(c) : c, halves);
  if (!answer.in_its_place) return Result::cpu;
  Difference difference;
  for (size_t i = 0; i < answer.given.size(); ++i) {
    difference.largest = largest_of(answer.wanted[i]);
    for (int64_t k = 0; k < answer.given[i].type.shape.elements(); ++k)
      difference.compare(element_as_double(answer.given[i].view(), k), element_as_double(answer.wanted[i].view(), k),
                         answer.absolute[i], c.relative);
  }
  line["off"] = difference.of_range();
  return difference.within ? Result::ok : Result::wrong;
}

}  // namespace

std::vector<Item> cases(const Options& options, const std::string& precision) {
  std::vector<Item> items;
  for (const test::CaseList* list : test::all_case_lists()) {
    const auto take = [&](const test::Case& c) {
      // What has no reference becomes other operators, which have cases of their own.
      if (const OpDef* op = find_op(c.domain, c.op, c.opset); op && !op->reference) return;
      const auto kept = std::make_shared<const test::Case>(c);
      items.push_back({cat(list->name, ": ", precision, ' ', c.op), [kept, &options, precision](Json& line) {
                         line["case"] = test::Question(*kept).title();
                         return check_case(*kept, device(options, precision), line);
                       }});
    };
    list->give({take, false});
  }
  // Few are enough to show that it works.
  if (options.tiny)
    for (size_t i = 0; i < items.size(); ++i) std::swap(items[i], items[(i * 7919 + 1) % items.size()]);
  if (options.tiny && items.size() > 40) items.resize(40);
  return items;
}

namespace {

// Where its steps run, by operator.
Json steps_json(const std::vector<StepInfo>& steps) {
  std::map<std::string, int> on_host;
  int on_device = 0, others = 0;
  for (const StepInfo& step : steps) {
    if (step.backend != "cpu")
      ++on_device;
    else if (!step.why.empty())
      ++on_host[step.op + ": " + step.why];
    else
      ++others;
  }
  return {{"device", on_device}, {"views", others}, {"host", on_host}};
}

Result check_model(const std::string& path, const Options& options, const std::string& precision, Json& line) {
  SessionOptions wanted;
  wanted.threads = 2;
  wanted.device = "cpu";
  const Session cpu(path, wanted);
  tools::InputOptions shapes;
  shapes.default_dim = options.side;
  std::vector<Tensor> in = tools::make_inputs(cpu.inputs(), shapes);
  const std::vector<Tensor> expected = cpu.run(in);
  wanted.device = cat("vulkan:", options.device);
  wanted.precision = precision;
  const Session session(path, wanted);
  line["note"] = session.device_note();
  const std::vector<Tensor> given = session.run(in);
  std::vector<Type> types;
  for (const Tensor& tensor : in) types.push_back(tensor.type);
  line["steps"] = steps_json(session.steps(types));
  bool right = given.size() == expected.size();
  double worst = 0;
  for (size_t i = 0; right && i < given.size(); ++i) {
    if (given[i].type != expected[i].type) {
      line["error"] = cat("output ", i, " is ", given[i].type, ", not ", expected[i].type);
      return Result::wrong;
    }
    if (given[i].type.dtype == DType::string) continue;
    Difference difference;
    difference.largest = largest_of(expected[i]);
    const double allowed = precision != "fp16"               ? float_of_range
                           : given[i].type.shape.rank() == 4 ? picture_of_range
                                                             : test::half_of_range;
    for (int64_t k = 0; k < given[i].type.shape.elements(); ++k)
      difference.compare(element_as_double(given[i].view(), k), element_as_double(expected[i].view(), k),
                         allowed * difference.largest, 0);
    worst = std::max(worst, difference.of_range());
    right = right && difference.within;
  }
  line["off"] = worst;
  if (!right) line["error"] = cat("off by ", worst, " of the range");
  return right ? Result::ok : Result::wrong;
}

}  // namespace

std::vector<Item> models(const Options& options, const std::string& precision) {
  std::vector<std::string> paths;
  for (const Network& network : networks(options.tiny)) paths.push_back(network.path(options.networks));
  for (const std::string& folder : options.models)
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
      if (entry.path().extension() == ".onnx") paths.push_back(entry.path().string());
  std::vector<Item> items;
  for (const std::string& path : paths)
    items.push_back({cat(std::filesystem::path(path).filename().string(), ' ', precision),
                     [path, &options, precision](Json& line) { return check_model(path, options, precision, line); }});
  return items;
}

}  // namespace tessera::check
