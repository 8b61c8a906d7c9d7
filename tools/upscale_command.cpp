// tessera upscale: pictures, larger.
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <thread>

#include "tools/options.h"
#include "tools/upscale/pipeline.h"
#ifdef TESSERA_VULKAN
#include "ops/vulkan/backend.h"
#endif

namespace tessera::tools {

namespace {

using namespace upscale;

struct UpscaleCommand {
  std::vector<std::string> in;
  std::string out, model, name, format, devices = "auto", jobs, alpha = "model", precision = "fp32";
  TilerOptions tiler;
  JobOptions job;
  PipelineOptions pipeline;
  int threads = 0;
  double memory = 0, white = 0;
  std::string range, range_out, channel_order = "found";
  std::vector<std::string> inputs;
  bool verbose = false, quiet = false, json = false;
};

/// The model's file; empty for the bundled one.
std::string find_model(const UpscaleCommand& command) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (command.name.empty()) {
    if (command.model.empty() || command.model == bundled_model_name) return "";
    if (fs::is_directory(command.model, error))
      fail(Error::Kind::usage, command.model, " is a folder: name the model in it with -n");
    if (!fs::exists(command.model, error)) fail(Error::Kind::file, command.model, ": no such model file");
    return command.model;
  }
  const fs::path folder = command.model.empty() ? fs::path("models") : fs::path(command.model);
  for (const std::string& file : {command.name, command.name + ".onnx"})
    if (fs::is_regular_file(folder / file, error)) return (folder / file).string();
  if (command.name == bundled_model_name && command.model.empty()) return "";
  fail(Error::Kind::file, (folder / (command.name + ".onnx")).string(), ": no such model file");
}

/// The N-th GPU of the machine; software renderers do not count. Without it the CPU, and a note.
std::string numbered_device(const std::string& number, std::vector<std::string>& notes) {
  std::string renderers;
  size_t gpus = 0;
#ifdef TESSERA_VULKAN
  const size_t wanted = number.size() < 6 ? static_cast<size_t>(std::stoi(number)) : SIZE_MAX;
  for (const vulkan::DeviceInfo& info : vulkan::devices(nullptr)) {
    const std::string device = cat("vulkan:", info.index);
    if (info.cpu_type)
      renderers += cat(renderers.empty() ? "" : ", ", device, " (", info.name, ")");
    else if (gpus++ == wanted)
      return device;
  }
#endif
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

/// "N" pictures at once, or "load:proc:save".
Stages parse_stages(const std::string& text) {
  int values[3] = {1, 1, 2}, count = 0;
  std::stringstream words(text);
  bool good = !text.empty() && text.back() != ':';
  for (std::string word; good && std::getline(words, word, ':'); ++count) {
    // Each proc thread may be given by device, as 1:2,2:2; they add up.
    int sum = 0;
    std::stringstream parts(word);
    for (std::string part; good && std::getline(parts, part, ',');) {
      good = !part.empty() && part.size() < 4 && part.find_first_not_of("0123456789") == std::string::npos;
      if (good) sum += std::stoi(part);
    }
    good = good && sum >= 1 && sum <= 256 && count < 3;
    if (good) values[count] = sum;
  }
  if (!good || (count != 1 && count != 3))
    fail(Error::Kind::usage, "-j ", text, ": give N, or load:proc:save threads as 1:2:2");
  if (count == 1) return {values[0], values[0], values[0]};
  return {values[0], values[1], values[2]};
}

/// A device computes faster than one thread reads, copies and writes.
Stages stages_for_a_device() {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return {std::max(1, cores / 4), std::max(1, cores / 4), std::max(2, cores / 2)};
}

void check(UpscaleCommand& command) {
  if (!command.format.empty() && command.format != "ext") {
    command.job.format = format_of(command.format);
    if (!command.job.format) fail(Error::Kind::usage, "-f ", command.format, ": give png, jpg or webp");
  }
  if (command.tiler.tile != 0 && command.tiler.tile < 32)
    fail(Error::Kind::usage, "-t ", command.tiler.tile, ": give 0 for automatic, or at least 32");
  if (command.job.resume && command.job.overwrite)
    fail(Error::Kind::usage, "--resume and --overwrite exclude each other");
  if (command.white > 0 && !command.range.empty()) fail(Error::Kind::usage, "--white and --range exclude each other");
  ConventionOptions& convention = command.tiler.convention;
  if (command.white > 0) convention.in = {{0, static_cast<float>(command.white)}};
  if (!command.range.empty()) convention.in = parse_levels(command.range);
  if (!command.range_out.empty()) convention.out = parse_levels(command.range_out);
  convention.order_known = command.channel_order != "found";
  convention.bgr = command.channel_order == "bgr";
  command.tiler.alpha_by_model = command.alpha == "model";
  command.tiler.memory = static_cast<int64_t>(command.memory * 1024 * 1024);
  if (!command.jobs.empty()) command.pipeline.stages = parse_stages(command.jobs);
  command.pipeline.encode.threads = command.threads;
  command.pipeline.verbose = command.verbose;
}

/// The model on every device that was asked for, and on those that take over from one that fails.
class Models {
 public:
  Models(const UpscaleCommand& command, Console& console) : command_(command), path_(find_model(command)) {
    std::vector<std::string> notes;
    const std::vector<std::string> devices = parse_devices(command.devices, notes);
    for (const std::string& note : notes) console.message("tessera: " + note);
    for (const std::string& device : devices) open_first(device, console);
    tiler_->set_successor([this](const Hand& hand, Loss loss) { return successor(hand, loss); });
  }

  const Tiler& tiler() const { return *tiler_; }
  bool use_a_device() const { return opened_[0].hand->is_device(); }

  void describe(Console& console) const {
    const Tiler& tiler = *tiler_;
    const Convention& c = tiler.convention();
    std::string sizes = c.fixed_width ? cat("windows of ", c.fixed_width, "x", c.fixed_height)
                                      : cat("any multiple of ", c.multiple, c.multiple == 1 ? " pixel" : " pixels");
    console.message(cat("model ", path_.empty() ? std::string(bundled_model_name) : path_, ": x", c.scale, ", ",
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
    for (const Opened& opened : opened_) console.message("device " + opened.hand->name());
  }

  /// What crossed the bus.
  void tell_traffic(Console& console) const {
    for (const Opened& opened : opened_)
      if (const Traffic* traffic = opened.hand->model().traffic())
        console.message(cat(opened.hand->name(), ": ", bytes_text(traffic->uploaded_bytes), " up, ",
                            bytes_text(traffic->downloaded_bytes), " down, ", traffic->submits.load(), " submits"));
  }

 private:
  struct Opened {
    std::shared_ptr<Hand> hand;
    std::string device;
    bool is_cpu = false;
  };

  /// A device that fails at once leaves its work to the CPU.
  void open_first(const std::string& device, Console& console) {
    std::string note;
    try {
      add(open(device, command_.precision, note));
    } catch (const Error& error) {
      if (device == "cpu" || error.kind() != Error::Kind::device) throw;
      note = cat(error.what(), "; running on the CPU");
      std::string ignored;
      add(open("cpu", command_.precision, ignored));
    }
    if (!note.empty()) console.message("tessera: " + note);
  }

  void add(const Opened& opened) {
    try {
      if (tiler_)
        tiler_->add(opened.hand);
      else
        tiler_ = std::make_unique<Tiler>(opened.hand, command_.tiler, &interrupted());
    } catch (const Error& error) {
      if (path_.empty() || Text(error.what()).starts_with(path_)) throw;
      throw Error(error.kind(), cat(path_, ": ", error.what()));
    }
    opened_.push_back(opened);
  }

  Opened open(const std::string& device, const std::string& precision, std::string& note) const {
    SessionOptions options;
    options.device = device;
    options.threads = command_.threads;
    options.precision = precision;
    options.cpu_takes_over = false;
    Opened opened{nullptr, device, false};
    std::shared_ptr<const Upsampler> model =
        open_upsampler(path_, options, &interrupted(), note, opened.device, command_.inputs);
    opened.is_cpu = opened.device == "cpu";
    const std::string name = cat(opened.device, model->stores_halves() ? " in fp16" : "");
    opened.hand = std::make_shared<Hand>(name, std::move(model));
    return opened;
  }

  /// Where half precision is wrong, the same device in single precision; else the CPU.
  std::shared_ptr<Hand> successor(const Hand& hand, Loss loss) {
    const auto is = [&](const Opened& opened) { return opened.hand.get() == &hand; };
    const auto own = std::find_if(opened_.begin(), opened_.end(), is);
    if (own == opened_.end() || own->is_cpu) return nullptr;
    const bool again = hand.is_rounded() && loss == Loss::wrong;
    if (again) try {
        std::string ignored;
        opened_.push_back(open(own->device, "fp32", ignored));
        return opened_.back().hand;
      } catch (const Error& error) {
        if (error.kind() != Error::Kind::device && error.kind() != Error::Kind::memory) throw;
      }
    return on_cpu();
  }

  std::shared_ptr<Hand> on_cpu() {
    const auto cpu = std::find_if(opened_.begin(), opened_.end(), [](const Opened& opened) { return opened.is_cpu; });
    if (cpu != opened_.end()) return cpu->hand;
    std::string ignored;
    opened_.push_back(open("cpu", command_.precision, ignored));
    return opened_.back().hand;
  }

  const UpscaleCommand& command_;
  std::string path_;
  std::vector<Opened> opened_;  ///< changed by one thread at a time: see Hands::lose
  std::unique_ptr<Tiler> tiler_;
};

std::string milliseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f ms", seconds * 1000);
  return text;
}

nlohmann::json json_of(const Job& job, const Result& result) {
  nlohmann::json line{{"in", job.in.string()}, {"out", job.out.string()}, {"done", result.done}};
  if (!result.done) {
    line["error"] = result.error;
    return line;
  }
  line["in_size"] = {result.in_width, result.in_height};
  line["out_size"] = {result.out_width, result.out_height};
  line["windows"] = result.report.windows;
  line["window"] = {result.report.window_width, result.report.window_height};
  line["load_ms"] = result.load_seconds * 1000;
  line["process_ms"] = result.process_seconds * 1000;
  line["model_ms"] = result.report.model_seconds * 1000;
  line["save_ms"] = result.save_seconds * 1000;
  line["notes"] = result.report.notes;
  if (result.report.tile_difference >= 0) line["tile_difference"] = result.report.tile_difference;
  return line;
}

void report(const UpscaleCommand& command, Console& console, const Job& job, const Result& result) {
  if (command.json) std::cout << text_of(json_of(job, result)) << std::endl;
  if (!result.done) {
    if (result.kind != Error::Kind::cancelled) console.message("tessera: " + result.error);
    return;
  }
  const std::string name = job.in.string();
  for (const std::string& note : result.report.notes) console.message(cat(name, ": ", note));
  if (result.report.tile_difference >= 0) {
    char text[96];
    std::snprintf(text, sizeof text, "max |tiled - whole| = %.3g (%.3g of an 8-bit step)",
                  result.report.tile_difference, result.report.tile_difference * 255);
    console.message(cat(name, ": ", text));
  }
  if (command.quiet) return;
  std::string line = cat(name, " -> ", job.out.string(), "  ", result.in_width, "x", result.in_height, " -> ",
                         result.out_width, "x", result.out_height);
  if (command.verbose)
    line += cat("  ", result.report.windows, result.report.windows == 1 ? " window of " : " windows of ",
                result.report.window_width, "x", result.report.window_height, ", load ",
                milliseconds(result.load_seconds), ", model ", milliseconds(result.report.model_seconds), ", process ",
                milliseconds(result.process_seconds), ", save ", milliseconds(result.save_seconds));
  else
    line += cat("  ", milliseconds(result.load_seconds + result.process_seconds + result.save_seconds));
  console.message(line);
}

void report(const UpscaleCommand& command, Console& console, const Failure& failure) {
  if (command.json)
    std::cout << text_of({{"in", failure.path.string()}, {"done", false}, {"error", failure.error}}) << std::endl;
  console.message("tessera: " + failure.error);
}

int run(UpscaleCommand command) {
  check(command);
  if (command.json && command.out == standard_stream)
    fail(Error::Kind::usage, "--json and -o - both want standard output");
  const JobList list = list_jobs({command.in.begin(), command.in.end()}, command.out, command.job);
  Console console(static_cast<int64_t>(list.jobs.size()), command.quiet);
  for (const std::string& note : list.notes) console.message(note);
  for (const Failure& failure : list.failures) report(command, console, failure);
  if (list.present && !command.quiet) console.message(cat(list.present, " results are there already"));
  if (list.jobs.empty() && list.failures.empty() && !list.present)
    fail(Error::Kind::file, command.in[0], ": no PNG, JPEG or WebP files in it");
  size_t failed = list.failures.size();
  if (!list.jobs.empty()) {
    const Models models(command, console);
    if (command.verbose) models.describe(console);
    if (command.jobs.empty() && models.use_a_device()) command.pipeline.stages = stages_for_a_device();
    Pipeline pipeline(models.tiler(), command.pipeline, console, interrupted());
    for (const Result& result :
         pipeline.run(list.jobs, [&](const Job&job, const Result&result) { report(command, console, job, result); }))
      failed += !result.done;
    if (command.verbose) models.tell_traffic(console);
  }
  const size_t all = list.jobs.size() + list.failures.size();
  if (failed && all > 1) console.message(cat(failed, " of ", all, " failed"));
  return failed ? exit_failed : exit_done;
}

void add_options(CLI::App& sub, UpscaleCommand& c) {
  sub.add_option("-i,--input,IN", c.in, "Pictures (PNG, JPEG, WebP), folders of them, or - for standard input")
      ->required()
      ->type_name("IN");
  sub.add_option("-o,--output", c.out, "The result: a file whose ending names the format, a folder, or -")
      ->required()
      ->type_name("OUT");
  sub.add_option("-m,--model", c.model, "An ONNX upscaler, or with -n the folder it is in (bundled: photo-x2)")
      ->type_name("MODEL");
  sub.add_option("-n,--name", c.name, "Name of a model in the folder of -m (models)")->type_name("NAME");
  sub.add_option("-s,--scale", c.tiler.scale, "Size of the result; any positive number (the model's own)")
      ->type_name("SCALE")
      ->check(number(0.001, 64));
  sub.add_option("-t,--tile", c.tiler.tile, "Input pixels a side of a tile, 32 or more; 0 is automatic (0)")
      ->type_name("TILE")
      ->check(number(0, 1e9, true));
  sub.add_option("-g,--device", c.devices,
                 "auto, cpu or -1, vulkan:N, or N for the N-th GPU; several joined by commas (auto)")
      ->type_name("DEVICE")
      ->allow_extra_args(false);
  sub.add_option("-j,--jobs", c.jobs, "Pictures at once: N, or threads as load:proc:save (1:1:2, more with a GPU)")
      ->type_name("N");
  sub.add_option("-f,--format", c.format, "Format of the results: png, jpg or webp (by OUT's ending, else png)")
      ->type_name("EXT");
  sub.add_flag("-x,--tta", c.tiler.test_time_augmentation, "Mean over 8 turned and mirrored versions: 8 times slower");
  sub.add_flag("-v,--verbose", c.verbose, "Tell what the model is, and where the time goes");
  sub.add_flag("-q,--quiet", c.quiet, "Errors and notes only");
  sub.add_flag("-r,--recursive", c.job.recursive, "Folders in folders too; the output keeps their structure");
  sub.add_flag("--full-names", c.job.full_names, "In folders a.jpg becomes a.jpg.png, not a.png");
  sub.add_flag("--resume", c.job.resume, "Leave out results that are there already");
  sub.add_flag("--overwrite", c.job.overwrite, "A result may replace its own source");
  sub.add_option("--quality", c.pipeline.encode.quality, "0..100 for JPEG (95) and WebP (lossless, which takes longer)")
      ->type_name("Q")
      ->check(CLI::Range(0, 100));
  sub.add_option("--alpha", c.alpha, "Transparency by the model or bicubic (model)")
      ->type_name("HOW")
      ->check(CLI::IsMember({"model", "bicubic"}));
  sub.add_option("--overlap", c.tiler.overlap, "Pixels by which tiles overlap (the receptive field, at most 48)")
      ->type_name("N")
      ->check(CLI::Range(0, 4096));
  sub.add_option("--white", c.white, "Short for --range 0:W (found out)")->type_name("W")->check(CLI::PositiveNumber);
  sub.add_option("--range", c.range, "The model's BLACK:WHITE, one or, joined by commas, for each channel (found out)")
      ->type_name("RANGE");
  sub.add_option("--range-out", c.range_out, "Those of its results, where they differ (as --range)")
      ->type_name("RANGE");
  sub.add_option("--channels", c.channel_order, "The model's first color: rgb or bgr (as its file says, else rgb)")
      ->type_name("ORDER")
      ->check(CLI::IsMember({"rgb", "bgr"}));
  sub.add_option("--set", c.inputs, "NAME=NUMBER for a model's input beside the picture; may be repeated")
      ->type_name("VALUE");
  sub.add_option("--memory", c.memory, "MiB that one tile may need (a third of what is free, at most 1024)")
      ->type_name("MIB")
      ->check(number(1, 1e9));
  sub.add_option("--max-pixels", c.pipeline.limits.pixels, "Refuse pictures that declare more (268435456)")
      ->type_name("N")
      ->check(number(1, 1e15, true));
  sub.add_option("--threads", c.threads, "Threads that compute (one per core)")
      ->type_name("N")
      ->check(CLI::Range(0, 1024));
  add_precision(sub, c.precision);
  sub.add_flag("--verify-tiles", c.tiler.verify_tiles, "Also run whole pictures, and print max |tiled - whole|");
  sub.add_flag("--json", c.json, "One JSON object per picture on standard output");
}

}  // namespace

void add_upscale(CLI::App& app, int& exit_code) {
  auto command = std::make_shared<UpscaleCommand>();
  CLI::App* sub = app.add_subcommand("upscale", "Make pictures larger");
  add_options(*sub, *command);
  sub->footer(R"(
Depth, gray, transparency, colors, EXIF, XMP, IPTC, text and density stay as the output's format allows, or a
note tells; orientation is applied. Damaged JPEGs are read as viewers read them, with a note.
Any ONNX model from a picture to a larger one will do: luma, RGB or RGBA; NCHW or NHWC; float, half or bytes;
open or fixed sizes. A result is written whole or not at all.

In folders a.jpg becomes a.png, or with --full-names a.jpg.png: the name follows from the source alone. What
would replace a source, or another source's result, is refused before anything is computed.

Examples:
  tessera upscale photo.jpg -o photo_2x.png
  tessera upscale photo.jpg -o photo_3x.webp -s 3 --quality 90
  tessera upscale scans/ -o large/ -r -f png --resume -m realesrgan-x4.onnx
  cat in.png | tessera upscale - -o - -f jpg > out.jpg)");
  sub->callback([command, &exit_code] { exit_code = run(*command); });
}

}  // namespace tessera::tools
