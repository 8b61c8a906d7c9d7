// tessera run: a model once, on given or random inputs.
#include <cmath>
#include <filesystem>
#include <iostream>
#include <set>

#include "tools/npy.h"
#include "tools/options.h"

namespace tessera::tools {

namespace {

struct RunCommand {
  ModelOptions options;
  std::string folder;
};

struct Summary {
  double least = 0, most = 0, mean = 0;
  int64_t nans = 0;
};

// Of the elements that are numbers.
Summary summarize(const Tensor& tensor) {
  Summary summary;
  const int64_t count = tensor.type.shape.elements();
  double sum = 0;
  int64_t numbers = 0;
  for (int64_t i = 0; i < count; ++i) {
    const double value = element_as_double(tensor.view(), i);
    if (std::isnan(value)) {
      ++summary.nans;
      continue;
    }
    if (!numbers || value < summary.least) summary.least = value;
    if (!numbers || value > summary.most) summary.most = value;
    sum += value;
    ++numbers;
  }
  if (numbers) summary.mean = sum / static_cast<double>(numbers);
  return summary;
}

bool has_numbers(const Tensor& tensor) {
  const DType t = tensor.type.dtype;
  return t != DType::string && t != DType::complex64 && t != DType::complex128 && tensor.type.shape.elements() > 0;
}

// Writes tensors under `name`, the parts of a container as name.0, name.1, ...
class Writer {
 public:
  explicit Writer(std::string folder) : folder_(std::move(folder)) {}

  std::string write(const std::string& name, const Tensor& tensor) {
    if (folder_.empty()) return "";
    std::string stem = file_name(name);
    // Two names may become one file name; nothing is overwritten silently.
    for (int more = 1; !taken_.insert(stem).second; ++more) stem = cat(file_name(name), "_", more);
    const std::filesystem::path path = std::filesystem::path(folder_) / (stem + ".npy");
    write_npy(path, tensor);
    return path.string();
  }

 private:
  std::string folder_;
  std::set<std::string> taken_;
};

void report(const std::string& name, const Datum& datum, Writer& writer, bool json, nlohmann::json& all) {
  if (datum.kind != Kind::tensor) {
    if (datum.keys.bytes) {
      Datum keys;
      keys.tensor = datum.keys;
      report(name + ".keys", keys, writer, json, all);
    }
    if (datum.items.empty() && !json) std::cout << name << ": empty\n";
    for (size_t i = 0; i < datum.items.size(); ++i) report(cat(name, ".", i), datum.items[i], writer, json, all);
    return;
  }
  const Tensor& tensor = datum.tensor;
  nlohmann::json entry{{"name", name}, {"dtype", name_of(tensor.type.dtype)}, {"shape", json_of(tensor.type.shape)}};
  std::string line = cat(name, ": ", tensor.type);
  if (tensor.bytes && has_numbers(tensor)) {
    const Summary summary = summarize(tensor);
    line += cat(" min ", summary.least, " max ", summary.most, " mean ", summary.mean);
    entry["min"] = summary.least;
    entry["max"] = summary.most;
    entry["mean"] = summary.mean;
    if (summary.nans) line += cat(" NaN ", summary.nans);
    entry["nan"] = summary.nans;
  }
  if (tensor.bytes) {
    const std::string path = writer.write(name, tensor);
    if (!path.empty()) entry["file"] = path;
  }
  if (!json) std::cout << line << '\n';
  all.push_back(std::move(entry));
}

void run(const RunCommand& command) {
  const ModelOptions& options = command.options;
  const Session session(options.model, options.session_options());
  const std::vector<Tensor> tensors = make_inputs(all_inputs(session), options.input);
  std::vector<Type> types;
  for (const Tensor& tensor : tensors) types.push_back(tensor.type);
  print_device_note(session, types);
  std::vector<Datum> in(tensors.size());
  for (size_t i = 0; i < in.size(); ++i) in[i].tensor = tensors[i];
  RunOptions run_options;
  run_options.cancel = &interrupted();
  const std::vector<Datum> out = session.run(List<Datum>(in), run_options);
  print_device_failure(session);
  if (!command.folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(command.folder, error);
    if (error) fail(Error::Kind::file, command.folder, ": cannot be made: ", error.message());
  }
  Writer writer(command.folder);
  nlohmann::json all = nlohmann::json::array();
  for (size_t i = 0; i < out.size(); ++i) report(session.outputs()[i].name, out[i], writer, options.json, all);
  if (options.json)
    std::cout << text_of({{"model", options.model}, {"device", session.device()}, {"outputs", all}}, 2) << '\n';
}

}  // namespace

void add_run(CLI::App& app, int&) {
  auto command = std::make_shared<RunCommand>();
  CLI::App* sub = app.add_subcommand("run", "Run a model once, on given or random inputs");
  add_model(*sub, command->options);
  sub->add_option("-i,--input", command->options.input.files, "An input, as NAME=FILE.npy; may be repeated")
      ->type_name("NAME=FILE")
      ->allow_extra_args(false);
  add_shapes(*sub, command->options);
  sub->add_option("-o,--output", command->folder, "Write the outputs as DIR/NAME.npy")->type_name("DIR");
  sub->add_option("--seed", command->options.input.seed, "Seed of the inputs that are not given (0)")->type_name("N");
  add_session(*sub, command->options);
  add_tune(*sub, command->options.session.tune);
  add_json(*sub, command->options);
  sub->footer(R"(
Inputs that are not given are random: floats from 0 to 1, integers 0 or 1, booleans alternate. Optional inputs
(see inspect) have their default then; one that is given by --shape alone is random.
Types that NumPy lacks are written wider: bfloat16 and 8-bit floats as float32, 4-bit integers as 8-bit.

Examples:
  tessera run model.onnx
  tessera run model.onnx -i x=input.npy -o outputs/
  tessera run model.onnx --shape x=1x3x128x128 --seed 7 --json)");
  sub->callback([command] { run(*command); });
}

}  // namespace tessera::tools
