#include "tools/upscale_models.h"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "include/tessera/tessera.hpp"
#include "tools/manifest.h"
#include "tools/options.h"
#include "tools/upscale/ledger.h"
#include "upscale/choice.h"
#include "upscale/explain.h"
#ifdef TESSERA_VULKAN
#include "ops/vulkan/backend.h"
#endif

namespace tessera::tools {

using namespace upscale;

namespace {

namespace fs = std::filesystem;

/// "a,b" in parts; an empty text is one empty part.
std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text)
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

std::string find_by_name(const fs::path& folder, const std::string& name, bool bundled_too) {
  std::error_code error;
  for (const std::string& file : {name, name + ".onnx", name + ".json"})
    if (fs::is_regular_file(folder / file, error)) return (folder / file).string();
  if (bundled_too && bundled_model(name)) return name;
  fail(Error::Kind::file, (folder / (name + ".onnx")).string(), ": no such model file",
       bundled_too ? "; bundled: " + bundled_names() : std::string());
}

std::string find_by_path(const std::string& path) {
  std::error_code error;
  if (bundled_model(path)) return path;
  if (fs::is_directory(path, error)) fail(Error::Kind::usage, path, " is a folder: name the model in it with -n");
  if (!fs::exists(path, error)) fail(Error::Kind::file, path, ": no such model file; bundled: ", bundled_names());
  return path;
}

/// The N-th GPU of the machine; software renderers do not count. Without it the CPU, and a note.
std::string numbered_device(const std::string& number, std::vector<std::string>& notes) {
  std::string renderers;
  size_t gpus = 0;
  const size_t wanted = number.size() < 6 ? static_cast<size_t>(std::stoi(number)) : SIZE_MAX;
  for (const api::Device& device : api::devices()) {
    if (device.id == "cpu") continue;
    if (device.software)
      renderers += cat(renderers.empty() ? "" : ", ", device.id, " (", device.name, ")");
    else if (gpus++ == wanted)
      return device.id;
  }
  notes.push_back(cat("-g ", number, ": this machine has ",
                      gpus == 0   ? std::string("no GPU")
                      : gpus == 1 ? std::string("one GPU, 0")
                                  : cat("the GPUs 0 to ", gpus - 1),
                      "; running on the CPU",
                      renderers.empty() ? "" : cat(". Software renderers are used when named: ", renderers)));
  return "cpu";
}

/// "auto", "cpu", "-1", "0", "0,1", "vulkan:1" as the session names devices.
std::vector<std::string> parse_devices(const std::string& text, std::vector<std::string>& notes) {
  std::vector<std::string> devices;
  std::stringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "-1")
      word = "cpu";
    else if (!word.empty() && word.find_first_not_of("0123456789") == std::string::npos)
      word = numbered_device(word, notes);
    if (word != "auto" && word != "cpu" && word != "vulkan" && !word.starts_with("vulkan:"))
      fail(Error::Kind::usage, "-g ", text,
           ": give auto, cpu, vulkan, vulkan:N or N (-1 is the CPU), joined by commas");
    devices.push_back(word);
  }
  if (devices.empty()) fail(Error::Kind::usage, "-g is empty");
  return devices;
}

void tell_of(const PlacedModel& model, Console& console) {
  const Tiler& tiler = *model.tiler();
  const Convention& c = tiler.convention();
  std::string sizes = c.fixed_width ? cat("windows of ", c.fixed_width, "x", c.fixed_height)
                                    : cat("any multiple of ", c.multiple, c.multiple == 1 ? " pixel" : " pixels");
  console.message(cat("model ", model.name(), ": x", c.scale, ", ",
                      c.channels == 1   ? "luma"
                      : c.channels == 3 ? "RGB"
                                        : "RGBA",
                      " ", name_of(c.dtype), " ", c.in.channel < c.in.x ? "NCHW" : "NHWC", " ", c.in_levels[0].black,
                      "..", c.in_levels[0].white, c.bgr ? " BGR" : "", c.linear ? " linear" : "", ", ", sizes));
  const Reach& reach = tiler.reach();
  if (!reach.followed)
    console.message(cat(reach.reason, " is not followed: what tiles need is measured when there are any"));
  else
    console.message(cat("receptive field ", reach.radius, " pixels",
                        reach.global           ? cat(" (", reach.reason, " sees all)")
                        : !reach.pools.empty() ? cat(" (", reach.pools.size(), " means over the picture, ",
                                                     reach.reason, ", are taken over all tiles)")
                                               : "",
                        ", on a lattice of ", reach.lattice, ", tiles overlap by ", tiler.overlap()));
  for (const auto& hand : model.hands()) console.message("device " + hand->name());
}

void explain_one(const PlacedModel& model, bool json) {
  std::vector<std::vector<std::string>> rows;
  nlohmann::json findings = nlohmann::json::array();
  for (const Finding& finding : upscale::explain(*model.tiler())) {
    rows.push_back({"  " + finding.what, finding.value, finding.evidence});
    findings.push_back({{"what", finding.what}, {"value", finding.value}, {"evidence", finding.evidence}});
  }
  if (json) {
    std::cout << text_of({{"model", model.name()}, {"findings", findings}}) << '\n';
    return;
  }
  std::cout << "model " << model.name() << '\n';
  print_table(rows, {false, false, false});
}

void tell_traffic_of(const PlacedModel& model, Console& console) {
  for (const auto& hand : model.hands())
    if (const auto traffic = hand->model().traffic())
      console.message(cat(hand->name(), ": ", bytes_text(traffic->uploaded_bytes), " up, ",
                          bytes_text(traffic->downloaded_bytes), " down, ", traffic->submits, " submits"));
}

/// Where the model runs fastest.
void choose_place(PlaceOptions& place, const std::string& file, const ModelsOptions& options, Console& console) {
#ifdef TESSERA_VULKAN
  if (!vulkan::gpu_may_be_there()) return;  // told without loading any driver
#endif
  const Candidate candidate{file, place, options.precision_given};
  const Machine machine = machine_for(candidate);
  const std::optional<Choice> choice =
      choose(candidate, machine, digest_of_model(file, options.copy_files), &interrupted());
  if (!choice) return;
  place.devices = {choice->place.device};
  place.model.precision = choice->place.precision;
  if (!choice->kept)
    console.message(cat("fastest here, from now on: ", choice->place.device, " in ", choice->place.precision, " (",
                        choice->told, ")"));
}

// Whose devices tell the console how far their trials are.
api::Environment telling(Console& console) {
  tessera_environment_options options;
  TESSERA_INIT(&options);
  options.log = [](void* to, tessera_log_level, const char* text) {
    if (Text(text).starts_with(tuning_words)) static_cast<Console*>(to)->message(cat("tessera: ", text));
  };
  options.log_context = &console;
  return api::Environment(options);
}

}  // namespace

std::string bundled_names() {
  std::string names;
  for (const BundledModel& model : bundled_models()) names += cat(names.empty() ? "" : ", ", model.name);
  return names;
}

std::vector<std::string> find_models(const ModelsOptions& options) {
  std::error_code error;
  std::vector<std::string> files;
  if (options.model.empty() && options.name.empty()) {
    files.emplace_back(options.size.scale > 2 ? "photo-x4" : "photo-x2");
  } else if (!options.name.empty()) {
    const fs::path folder = options.model.empty() ? fs::path("models") : fs::path(options.model);
    for (const std::string& name : parts_of(options.name))
      files.push_back(find_by_name(folder, name, options.model.empty()));
  } else if (fs::exists(options.model, error)) {  // whatever its name has in it
    files.push_back(find_by_path(options.model));
  } else {
    for (const std::string& path : parts_of(options.model)) files.push_back(find_by_path(path));
  }
  for (std::string& file : files)
    if (fs::path(file).extension() == ".json") file = file_for(read_manifest(file), options.devices);
  if (files.size() > 1 &&
      (!options.tiler.convention.in.empty() || !options.tiler.convention.out.empty() ||
       options.tiler.convention.order_known || !options.tiler.convention.output.empty() || !options.inputs.empty()))
    fail(Error::Kind::usage,
         "--white, --range, --range-out, --channels, --model-output and --set tell of one model, and there are ",
         files.size());
  return files;
}

std::vector<std::string> bundled_choice(const ModelsOptions& options) {
  std::vector<std::string> names;
  if (options.model.empty() && options.name.empty())
    for (const BundledModel& model : bundled_models()) names.emplace_back(model.name);
  return names;
}

Models::Models(const ModelsOptions& options, Console& console, bool judge)
    : options_(options), console_(console), chain_(options.size) {
  const std::vector<std::string> files = find_models(options);
  std::vector<std::string> notes;
  devices_ = parse_devices(options.devices, notes);
  for (const std::string& note : notes) console.message("tessera: " + note);
  if (options.tune) environment_.emplace(telling(console));
  if (judge && !bundled_choice(options).empty()) {
    family_.emplace([this](const std::string& name) { return open(name); });
    for (const Judge& one : judges) family_->model(one.model);
    chain_.add(family_->model(files[0]).tiler());
    return;
  }
  for (const std::string& file : files) {
    models_.push_back(open(file));
    chain_.add(models_.back()->tiler());
  }
}

std::vector<std::shared_ptr<const PlacedModel>> Models::opened() const { return family_ ? family_->opened() : models_; }

std::shared_ptr<const PlacedModel> Models::open(const std::string& file) const {
  PlaceOptions place;
  place.devices = devices_;
  place.model.precision = options_.precision;
  place.model.threads = options_.threads;
  place.model.inputs = options_.inputs;
  place.model.copy_files = options_.copy_files;
  place.model.tune = options_.tune;
  place.model.environment = environment_ ? environment_->c() : nullptr;
  place.tiler = options_.tiler;
  if (!bundled_model(file))
    if (const auto manifest = manifest_beside(file)) apply(*manifest, place.tiler.convention);
  if (devices_ == std::vector<std::string>{"auto"}) choose_place(place, file, options_, console_);
  std::vector<std::string> told;
  auto model = std::make_shared<PlacedModel>(file, std::move(place), &interrupted(), told);
  const auto hands = model->hands();
  if (options_.tune && std::all_of(hands.begin(), hands.end(), [](const auto& hand) { return hand->name() == "cpu"; }))
    told.emplace_back(nothing_to_tune);
  // What is said of a device is said once, not of each model.
  const std::lock_guard lock(mutex_);
  for (const std::string& note : told)
    if (told_.insert(note).second) console_.message("tessera: " + note);
  return model;
}

Assigned Models::chain_for(List<RowSource*> sources) const {
  const Head& head = sources[0]->head();
  const PlacedModel& model = family_->for_pictures(sources, chain_.result_of(head.width, head.height, head.bits));
  const std::lock_guard lock(mutex_);
  const auto [chain, added] = chains_.try_emplace(model.name(), options_.size);
  if (added) chain->second.add(model.tiler());
  return {&chain->second, model.name()};
}

void Models::describe(Console& console) const {
  for (const auto& model : opened()) tell_of(*model, console);
}

void Models::explain(bool json) const {
  for (const auto& model : opened()) explain_one(*model, json);
}

void Models::tell_traffic(Console& console) const {
  for (const auto& model : opened()) tell_traffic_of(*model, console);
}

}  // namespace tessera::tools
