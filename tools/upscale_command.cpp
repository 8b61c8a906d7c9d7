// tessera upscale: pictures, larger.
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "tools/manifest.h"
#include "tools/options.h"
#include "tools/upscale/comparison.h"
#include "tools/upscale/pipeline.h"
#include "tools/upscale/video.h"
#include "tools/upscale_models.h"

namespace tessera::tools {

namespace {

using namespace upscale;

/// Of a result, in pixels.
constexpr int64_t largest_side = int64_t{1} << 30;

struct UpscaleCommand : ModelsOptions {
  std::vector<std::string> in;
  std::string out, format, jobs, alpha = "model";
  std::string exact_size, fit;
  JobOptions job;
  PipelineOptions pipeline;
  double memory = 0, white = 0;
  std::string range, range_out, channel_order = "found", shard;
  const CLI::Option* precision_option = nullptr;
  const CLI::App* app = nullptr;  ///< with what was said
  bool verbose = false, quiet = false, json = false, progress = false, compare = false, explain = false;
  std::string priority = "normal", tone = "fit";
  bool y4m = false;
  std::string preview;
  std::string raw, matrix;  ///< of a video
};

/// One line of standard output, whole whoever else writes at the time.
void print_line(const nlohmann::json& json) {
  const std::string line = text_of(json) + "\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

void print_progress(const Moment& moment) {
  nlohmann::json line{{"event", "progress"},
                      {"in", moment.name},
                      {"part", moment.part},
                      {"finished", moment.finished},
                      {"pictures", moment.pictures}};
  if (moment.seconds_left) line["seconds_left"] = *moment.seconds_left;
  print_line(line);
}

/// Others come first at the processors and the disks. Threads to come inherit it.
void be_modest() {
  constexpr int idle_class = 3, class_shift = 13, this_process = 1;
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, 19));
  static_cast<void>(::syscall(SYS_ioprio_set, this_process, 0, idle_class << class_shift));
}

/// "N" pictures at once, or "load:proc:save", of which `proc` are computed at once on the CPU.
void parse_jobs(const std::string& text, int& pictures, int& runs) {
  int values[3] = {}, count = 0;
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
    fail(Error::Kind::usage, "-j ", text, ": give N, or load:proc:save as 1:2:2");
  pictures = values[0] + values[1] + values[2];
  runs = count == 1 ? values[0] : values[1];
}

/// "640x480" or "1/4" in two numbers.
bool parse_two(const std::string& text, char between, int64_t& first, int64_t& second) {
  const char *begin = text.data(), *end = begin + text.size();
  const auto one = std::from_chars(begin, end, first);
  if (one.ec != std::errc() || one.ptr == end || *one.ptr != between) return false;
  const auto two = std::from_chars(one.ptr + 1, end, second);
  return two.ec == std::errc() && two.ptr == end;
}

void parse_extents(const std::string& flag, const std::string& text, SizeRule& size) {
  if (!parse_two(text, 'x', size.width, size.height) || std::min(size.width, size.height) < 1 ||
      std::max(size.width, size.height) > largest_side)
    fail(Error::Kind::usage, flag, " ", text, ": give WIDTHxHEIGHT in pixels, as 1920x1080");
}

void check_size(UpscaleCommand& command) {
  SizeRule& size = command.size;
  const int ways =
      (size.scale > 0) + !command.exact_size.empty() + !command.fit.empty() + (size.width > 0 || size.height > 0);
  if (ways > 1 || (size.width > 0 && size.height > 0))
    fail(Error::Kind::usage, "--scale, --size, --width, --height and --fit exclude each other");
  if (!command.exact_size.empty()) parse_extents("--size", command.exact_size, size);
  if (!command.fit.empty()) parse_extents("--fit", command.fit, size);
  size.fit = !command.fit.empty();
  if (command.preview.empty()) return;
  if (command.compare) fail(Error::Kind::usage, "--preview and --compare exclude each other");
  auto& part = size.preview;
  char end = 0;
  if (std::sscanf(command.preview.c_str(), "%ld,%ld,%ld,%ld%c", &part.x, &part.y, &part.width, &part.height, &end) !=
          4 ||
      std::min(part.x, part.y) < 0 || std::min(part.width, part.height) < 1 ||
      std::max({part.x, part.y, part.width, part.height}) > largest_side)
    fail(Error::Kind::usage, "--preview ", command.preview, ": give X,Y,WIDTH,HEIGHT in pixels of the picture");
}

void check_shard(UpscaleCommand& command) {
  if (command.shard.empty()) return;
  JobOptions& job = command.job;
  if (!parse_two(command.shard, '/', job.shard, job.shards) || job.shard < 1 || job.shard > job.shards)
    fail(Error::Kind::usage, "--shard ", command.shard, ": give PART/PARTS, as 1/4 to 4/4");
}

void check(UpscaleCommand& command) {
  check_size(command);
  check_shard(command);
  if (!command.format.empty() && command.format != "ext") {
    command.job.format = format_of(command.format);
    if (!command.job.format) fail(Error::Kind::usage, "-f ", command.format, ": give ", extensions_of_formats());
    if (!is_written(*command.job.format))
      fail(Error::Kind::usage, "-f ", command.format, ": ", why_not_written(*command.job.format));
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
  command.pipeline.encode.tone = command.tone == "map" ? Tone::map : command.tone == "keep" ? Tone::keep : Tone::fit;
  command.tiler.alpha_by_model = command.alpha == "model";
  command.tiler.linear = command.pipeline.encode.linear;
  command.tiler.memory = static_cast<int64_t>(command.memory * 1024 * 1024);
  if (!command.jobs.empty()) parse_jobs(command.jobs, command.pipeline.at_once, command.tiler.at_once);
  command.pipeline.encode.threads = command.threads;
  command.pipeline.limits.raised_by = "--max-pixels";
  command.pipeline.verbose = command.job.all_notes = command.verbose;
  command.job.compare = command.compare;
}

std::string milliseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f ms", seconds * 1000);
  return text;
}

nlohmann::json json_of(const Job& job, const Result& result) {
  nlohmann::json line{{"event", "result"}, {"in", job.in.string()}, {"out", job.out.string()}, {"done", result.done}};
  if (!result.done) {
    line["error"] = result.error;
    return line;
  }
  line["in_size"] = {result.in_width, result.in_height};
  line["out_size"] = {result.out_width, result.out_height};
  if (!result.model.empty()) line["model"] = result.model;
  line["windows"] = result.report.windows;
  line["window"] = {result.report.window_width, result.report.window_height};
  line["process_ms"] = result.seconds * 1000;
  line["load_ms"] = result.load_seconds * 1000;
  line["model_ms"] = result.report.model_seconds * 1000;
  line["save_ms"] = result.save_seconds * 1000;
  line["notes"] = result.report.notes;
  if (result.report.tile_difference >= 0) line["tile_difference"] = result.report.tile_difference;
  return line;
}

void report(const UpscaleCommand& command, Console& console, const Job& job, const Result& result) {
  if (command.json) print_line(json_of(job, result));
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
  if (!result.model.empty()) line += cat("  by ", result.model);
  if (command.verbose)
    line += cat("  ", result.report.windows, result.report.windows == 1 ? " window of " : " windows of ",
                result.report.window_width, "x", result.report.window_height, ", load ",
                milliseconds(result.load_seconds), ", model ", milliseconds(result.report.model_seconds), ", save ",
                milliseconds(result.save_seconds), ", all ", milliseconds(result.seconds));
  else
    line += "  " + milliseconds(result.seconds);
  console.message(line);
}

void report(const UpscaleCommand& command, Console& console, const Failure& failure) {
  if (command.json)
    print_line({{"event", "result"}, {"in", failure.path.string()}, {"done", false}, {"error", failure.error}});
  console.message("tessera: " + failure.error);
}

/// Of the models, and of every option that is not known to leave pixels as they are.
uint64_t recipe_of(const CLI::App& sub, const ModelsOptions& options) {
  static const std::set<std::string> no_matter = {
      "input", "output",     "model",       "name",     "tile",    "device",     "jobs",      "verbose",
      "quiet", "recursive",  "resume",      "memory",   "json",    "threads",    "help",      "progress",
      "shard", "copy-files", "short-names", "priority", "compare", "max-pixels", "overwrite", "verify-tiles"};
  Digest recipe;
  std::vector<std::string> models = find_models(options);
  const std::vector<std::string> choice = bundled_choice(options);
  models.insert(models.end(), choice.begin(), choice.end());
  for (const std::string& model : models) {
    const uint64_t digest = digest_of_model(model, options.copy_files);
    recipe.add(std::as_bytes(List<uint64_t>(&digest, 1)));
    if (const auto manifest = model.empty() ? std::nullopt : manifest_beside(model))
      recipe.add(cat(manifest->range, ' ', manifest->range_out, ' ', manifest->channels, ' ', manifest->output));
  }
  for (const CLI::Option* option : sub.get_options()) {
    if (option->count() == 0 || option->get_lnames().empty() || no_matter.contains(option->get_lnames()[0])) continue;
    recipe.add(option->get_lnames()[0]);
    for (const std::string& value : option->results()) recipe.add(value);
  }
  return recipe.value();
}

std::optional<Video> video_of(const UpscaleCommand& command) {
  if (command.in.size() != 1) {
    if (command.y4m || !command.raw.empty()) fail(Error::Kind::usage, "one video at a time");
    return std::nullopt;
  }
  Video video{command.in[0], command.out, std::nullopt, command.matrix};
  if (!command.raw.empty()) {
    const size_t colon = command.raw.find(':');
    SizeRule size;
    parse_extents("--raw", command.raw.substr(0, colon), size);
    video.raw = format_of_pixels(colon == std::string::npos ? "" : command.raw.substr(colon + 1));
    if (!video.raw)
      fail(Error::Kind::usage, "--raw ", command.raw,
           ": give WxH:FORMAT with one of yuv420p, yuv422p, yuv444p, gray, as in yuv420p10le with 9 to 16 bits, rgb24, "
           "rgb48le");
    video.raw = video.raw->sized(size.width, size.height);
  } else if (!command.y4m && !is_y4m(first_bytes(video.in, y4m_mark))) {
    if (video.out.extension() == ".y4m")
      fail(Error::Kind::usage, video.in.string(), ": is no YUV4MPEG2 video; ffmpeg makes one of any: ffmpeg -i ",
           video.in.string(), " -f yuv4mpegpipe - | tessera upscale - -o ", video.out.string());
    return std::nullopt;
  }
  return video;
}

int run_video(const UpscaleCommand& command, const Video& video) {
  for (const auto& [given, flag] : {std::pair{command.job.resume, "--resume"},
                                    {command.job.recursive, "--recursive"},
                                    {!command.shard.empty(), "--shard"},
                                    {!command.preview.empty(), "--preview"},
                                    {command.compare, "--compare"}})
    if (given) fail(Error::Kind::usage, flag, " is for pictures, and ", video.in.string(), " is a video");
  Console console(1, command.quiet, command.progress ? print_progress : Console::Watcher());
  const Models models(command, console, true);
  if (command.verbose) models.describe(console);
  ChainFor chain_for;
  if (models.judge()) chain_for = [&](List<RowSource*> frames) { return models.chain_for(frames); };
  const VideoReport report = upscale_video(video, models.chain(), chain_for, console, interrupted());
  const FrameFormat &in = report.in_format, &out = report.out_format;
  if (command.json) {
    nlohmann::json line{{"event", "result"},
                        {"in", command.in[0]},
                        {"out", command.out},
                        {"done", true},
                        {"frames", report.frames},
                        {"in_size", {in.width, in.height}},
                        {"out_size", {out.width, out.height}},
                        {"model_ms", report.report.model_seconds * 1000},
                        {"process_ms", report.seconds * 1000},
                        {"notes", report.report.notes}};
    if (!report.model.empty()) line["model"] = report.model;
    print_line(line);
  }
  for (const std::string& note : report.report.notes) console.message(cat(command.in[0], ": ", note));
  if (!command.quiet)
    console.message(cat(command.in[0], " -> ", command.out, "  ", report.frames, " frames  ", in.width, "x", in.height,
                        " -> ", out.width, "x", out.height, report.model.empty() ? "" : cat("  by ", report.model),
                        "  ", fixed(static_cast<double>(report.frames) / report.seconds, 1), " a second"));
  return exit_done;
}

/// Whether that succeeded.
bool compare(const UpscaleCommand& command, Console& console, Ledger& ledger, const Job& job) {
  try {
    for (const auto& file : write_comparison(job, command.pipeline.limits)) ledger.add(job.in, job.source, file);
    return true;
  } catch (const Error& error) {
    console.message(cat("tessera: no comparison of ", job.in.string(), ": ", error.what()));
  } catch (const std::bad_alloc&) {
    console.message(cat("tessera: no comparison of ", job.in.string(), ": not enough memory"));
  }
  return false;
}

/// The model may stand where a picture would.
int explain(UpscaleCommand& command) {
  if (command.model.empty() && command.name.empty() && !command.in.empty()) command.model = command.in[0];
  Console console(0, command.quiet);
  Models(command, console).explain(command.json);
  return exit_done;
}

int run(UpscaleCommand command) {
  check(command);
  if (command.explain) return explain(command);
  if (command.in.empty()) fail(Error::Kind::usage, "give pictures, or folders of them (--help tells more)");
  if (command.out.empty()) fail(Error::Kind::usage, "-o is required: a file, a folder, or -");
  if ((command.json || command.progress) && command.out == standard_stream)
    fail(Error::Kind::usage, command.json ? "--json" : "--progress", " and -o - both want standard output");
  if (command.compare && (command.out == standard_stream || std::ranges::count(command.in, standard_stream)))
    fail(Error::Kind::usage, "--compare reads both pictures again, and a pipe can be read once");
  if (command.priority == "low") be_modest();
  if (const std::optional<Video> video = video_of(command)) return run_video(command, *video);
  Ledger ledger(recipe_of(*command.app, command));
  const JobList list = list_jobs({command.in.begin(), command.in.end()}, command.out, command.job, ledger);
  Console console(static_cast<int64_t>(list.jobs.size()), command.quiet,
                  command.progress ? print_progress : Console::Watcher());
  for (const std::string& note : list.notes) console.message(note);
  for (const Failure& failure : list.failures) report(command, console, failure);
  if (list.present && !command.quiet) console.message(cat(list.present, " results are there already"));
  if (list.elsewhere && !command.quiet)
    console.message(cat(list.elsewhere, " pictures are of other shards than ", command.shard));
  if (list.jobs.empty() && list.failures.empty() && !list.present && !list.elsewhere)
    fail(Error::Kind::file, command.in[0], ": no ", names_of_formats(), " files in it");
  size_t failed = list.failures.size();
  if (!list.jobs.empty()) {
    const Models models(command, console, true);
    if (command.verbose) models.describe(console);
    if (models.judge())
      command.pipeline.chain_for = [&](List<RowSource*> sources) { return models.chain_for(sources); };
    Pipeline pipeline(models.chain(), command.pipeline, console, interrupted());
    const auto finished = [&](const Job& job, const Result& result) {
      if (result.done) ledger.add(job.in, job.source, job.out);
      report(command, console, job, result);
      if (result.done && command.compare) failed += !compare(command, console, ledger, job);
    };
    for (const Result& result : pipeline.run(list.jobs, finished)) failed += !result.done;
    if (command.verbose) models.tell_traffic(console);
  }
  const size_t all = list.jobs.size() + list.failures.size();
  if (failed && all > 1) console.message(cat(failed, " of ", all, " failed"));
  return failed ? exit_failed : exit_done;
}

void add_results(CLI::App& sub, UpscaleCommand& c) {
  sub.add_option("-i,--input,IN", c.in,
                 "Pictures (" + names_of_formats() + "), folders of them, a video (.y4m), or - for standard input")
      ->type_name("IN");
  sub.add_option("-o,--output", c.out, "The result: a file whose ending names the format, a folder, or -")
      ->type_name("OUT");
  sub.add_option(
         "-m,--model", c.model,
         "An ONNX upscaler, or with -n the folder it is in; A,B: through A, then B. Bundled: " + bundled_names() +
             " (art-x2 for what is drawn, else photo-x2, photo-x2-clean under strong noise or JPEG, or photo-x4 for "
             "what becomes more than twice as large)")
      ->type_name("MODEL");
  sub.add_option("-n,--name", c.name, "Name of a model in the folder of -m (models)")->type_name("NAME");
  sub.add_option("-f,--format", c.format,
                 "Format of the results: " + extensions_of_formats() + " (by OUT's ending, else png)")
      ->type_name("EXT");
  sub.add_option("--quality", c.pipeline.encode.quality, "0..100 for JPEG (95) and WebP (lossless, which takes longer)")
      ->type_name("Q")
      ->check(CLI::Range(0, 100));
  sub.add_flag("--dither", c.pipeline.encode.dither, "Noise instead of bands where 16 bits or floats become 8 bits");
  sub.add_option(
         "--tone", c.tone,
         "Colors brighter than white (PQ, HLG): fit, mapped to sRGB where a format cannot say what they are; map, "
         "always; keep, never (fit)")
      ->type_name("HOW")
      ->check(CLI::IsMember({"fit", "map", "keep"}));
  sub.add_flag("--linear", c.pipeline.encode.linear,
               "Mix light, not samples, where a filter resizes or alpha meets white");
}

void add_sizes(CLI::App& sub, UpscaleCommand& c) {
  sub.add_option("-s,--scale", c.size.scale, "How often larger the result is; any positive number (the model's own)")
      ->type_name("SCALE")
      ->check(number(0.001, 64));
  sub.add_option("--size", c.exact_size, "Size of the result in pixels, whatever the picture's shape")
      ->type_name("WxH");
  sub.add_option("--width", c.size.width, "Its width; the height follows")
      ->type_name("W")
      ->check(number(1, largest_side, true));
  sub.add_option("--height", c.size.height, "Its height; the width follows")
      ->type_name("H")
      ->check(number(1, largest_side, true));
  sub.add_option("--fit", c.fit, "As large as fits into that many pixels; the picture's shape is kept")
      ->type_name("WxH");
  sub.add_option("--preview", c.preview,
                 "Make only this part of the picture, X,Y,WIDTH,HEIGHT, just as it is in the whole")
      ->type_name("PART");
}

void add_folders(CLI::App& sub, UpscaleCommand& c) {
  sub.add_flag("-r,--recursive", c.job.recursive, "Folders in folders too; the output keeps their structure");
  sub.add_flag("--short-names", c.job.short_names, "In folders a.jpg becomes a.png, not a.jpg.png");
  sub.add_flag("--resume", c.job.resume, "Leave out results that are whole and would be made again just so");
  sub.add_option("--shard", c.shard, "Make one of several parts of the pictures, as 2/8, for several machines")
      ->type_name("I/N");
  sub.add_flag("--overwrite", c.job.overwrite, "A result may replace its own source");
}

void add_model_facts(CLI::App& sub, UpscaleCommand& c) {
  sub.add_flag("-x,--tta", c.tiler.test_time_augmentation, "Mean over 8 turned and mirrored versions: 8 times slower");
  sub.add_flag("--explain", c.explain, "Print what is found out of the model (-m, or a word), and how; no pictures");
  sub.add_option("--alpha", c.alpha, "Transparency by the model or bicubic (model)")
      ->type_name("HOW")
      ->check(CLI::IsMember({"model", "bicubic"}));
  sub.add_option("--white", c.white, "Short for --range 0:W (found out)")->type_name("W")->check(CLI::PositiveNumber);
  sub.add_option("--range", c.range, "The model's BLACK:WHITE, one or, joined by commas, for each channel (found out)")
      ->type_name("RANGE");
  sub.add_option("--range-out", c.range_out, "Those of its results, where they differ (as --range)")
      ->type_name("RANGE");
  sub.add_option("--channels", c.channel_order, "The model's first color: rgb or bgr (as its file says, else rgb)")
      ->type_name("ORDER")
      ->check(CLI::IsMember({"rgb", "bgr"}));
  sub.add_option("--model-output", c.tiler.convention.output,
                 "Name of the output that is the picture, where a model has several (the largest that resembles it)")
      ->type_name("NAME");
  sub.add_option("--set", c.inputs,
                 "NAME=NUMBER or NAME=NUMBER,NUMBER... for a model's input beside the picture; may be repeated")
      ->type_name("VALUE");
}

void add_machine(CLI::App& sub, UpscaleCommand& c) {
  sub.add_option("-t,--tile", c.tiler.tile, "Input pixels a side of a tile, 32 or more; 0 is automatic (0)")
      ->type_name("TILE")
      ->check(number(0, 1e9, true));
  sub.add_option(
         "-g,--device", c.devices,
         "auto: the fastest, by a short trial; cpu or -1, vulkan:N, or N for the N-th GPU; several by commas (auto)")
      ->type_name("DEVICE")
      ->allow_extra_args(false);
  sub.add_option("-j,--jobs", c.jobs,
                 "Pictures at once: N, or load:proc:save, which add up (as many as keep all cores busy)")
      ->type_name("N");
  sub.add_option("--overlap", c.tiler.overlap, "Pixels by which tiles overlap (the receptive field, at most 48)")
      ->type_name("N")
      ->check(CLI::Range(0, 4096));
  sub.add_option("--memory", c.memory, "MiB that one tile may need (a third of what is free, at most 1024)")
      ->type_name("MIB")
      ->check(number(1, 1e9));
  sub.add_option("--max-pixels", c.pipeline.limits.pixels, "Refuse pictures that declare more (268435456)")
      ->type_name("N")
      ->check(number(1, 1e15, true));
  sub.add_option("--threads", c.threads, "Threads that compute (one per core)")
      ->type_name("N")
      ->check(CLI::Range(0, 1024));
  sub.add_flag("--copy-files", c.copy_files,
               "Read the model's files into memory, not map them: then they may get shorter meanwhile");
  c.precision_option = add_precision(sub, c.precision);
  add_tune(sub, c.tune);
  sub.add_option("--priority", c.priority, "low: other programs come first (normal)")
      ->type_name("P")
      ->check(CLI::IsMember({"normal", "low"}));
}

void add_video(CLI::App& sub, UpscaleCommand& c) {
  sub.add_flag("--y4m", c.y4m, "IN is a YUV4MPEG2 video, as its first bytes also tell; so is the result");
  sub.add_option("--raw", c.raw, "IN is a video of bare frames, as 640x360:yuv420p; so is the result")
      ->type_name("WxH:FORMAT");
  sub.add_option("--matrix", c.matrix, "Of a video's colors (bt709 above 576 lines, else bt601)")
      ->type_name("M")
      ->check(CLI::IsMember({"bt601", "bt709", "bt2020"}));
}

void add_messages(CLI::App& sub, UpscaleCommand& c) {
  sub.add_flag("-v,--verbose", c.verbose, "Tell what the model is, and where the time goes");
  sub.add_flag("-q,--quiet", c.quiet, "Errors and notes only");
  sub.add_flag("--verify-tiles", c.tiler.verify_tiles, "Also run whole pictures, and print max |tiled - whole|");
  sub.add_flag("--compare", c.compare, "Also write OUT.compare.png and .html: source, bicubic and result side by side");
  sub.add_flag("--json", c.json, "One JSON object per picture on standard output");
  sub.add_flag("--progress", c.progress, "JSON lines that tell how far the work is, on standard output");
}

/// In the help, options stand together that belong together.
void add_options(CLI::App& sub, UpscaleCommand& c) {
  constexpr struct {
    void (*add)(CLI::App&, UpscaleCommand&);
    const char* title;  ///< "": with those that every command has
  } groups[] = {
      {add_results, ""},        {add_sizes, "Size"},  {add_folders, "Folders"},      {add_model_facts, "Model"},
      {add_machine, "Machine"}, {add_video, "Video"}, {add_messages, "What is told"}};
  size_t known = sub.get_options({}).size();
  for (const auto& [add, title] : groups) {
    add(sub, c);
    const std::vector<CLI::Option*> options = sub.get_options({});
    for (; known < options.size(); ++known)
      if (*title) options[known]->group(title);
  }
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

In folders a.jpg becomes a.jpg.png, and a.png stays a.png: the name follows from the source alone, so that no
two pictures ever share a result. What would replace a source is refused before anything is computed.

Examples:
  tessera upscale photo.jpg -o photo_2x.png
  tessera upscale photo.jpg -o photo_3x.webp -s 3 --quality 90
  tessera upscale scans/ -o large/ -r -f png --resume -m realesrgan-x4.onnx
  cat in.png | tessera upscale - -o - -f jpg > out.jpg)");
  sub->callback([command, sub, &exit_code] {
    command->app = sub;
    command->precision_given = command->precision_option->count() > 0;
    exit_code = run(*command);
  });
}

}  // namespace tessera::tools
