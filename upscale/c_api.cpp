// The C interface of the upscaler.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <sstream>

#include "include/tessera/upscale.h"
#include "runtime/base/c_interface.h"
#include "upscale/caller_rows.h"
#include "upscale/explain.h"
#include "upscale/family.h"
#include "upscale/light.h"

namespace tessera::c_api {
#include "upscale/public_members.def"
}

using namespace tessera;
using namespace tessera::c_api;
using namespace tessera::upscale;

struct tessera_upscaler {
  Bytes bytes;  // of a model from memory
  std::vector<std::string> notes;
  std::optional<Family> family;  // where no model was named
  std::shared_ptr<const PlacedModel> model;
  std::vector<std::string> devices;
  std::mutex mutex;
  double pixel_seconds = 0;  // of an input pixel that goes into the model; 0: not measured
};

struct tessera_findings {
  Findings list;
};

struct tessera_upscale_report {
  Report report;
  std::string model;
};

namespace {

std::vector<std::string> words_of(const char* text) {
  std::vector<std::string> words;
  std::stringstream stream(text ? text : "auto");
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  if (words.empty()) fail(Error::Kind::usage, "no device is named");
  return words;
}

PlaceOptions read(const tessera_upscaler_options& given) {
  PlaceOptions options;
  options.devices = words_of(given.devices);
  if (given.precision) options.model.precision = given.precision;
  options.model.threads = given.threads;
  options.model.copy_files = given.copy_files != 0;
  if (given.fixed_count) require(given.fixed);
  for (size_t i = 0; i < given.fixed_count; ++i) {
    require(given.fixed[i].name);
    char number[40];
    const Text text(number, std::to_chars(number, number + sizeof number, given.fixed[i].value).ptr);
    std::vector<std::string>& inputs = options.model.inputs;
    const std::string name = cat(given.fixed[i].name, '=');
    const auto known =
        std::find_if(inputs.begin(), inputs.end(), [&](const std::string& w) { return w.starts_with(name); });
    if (known == inputs.end())
      inputs.push_back(name + std::string(text));
    else
      *known += cat(',', text);
  }
  if (given.tile != 0 && given.tile < 32)
    fail(Error::Kind::usage, "a tile of ", given.tile, " pixels a side is too small: use 0, or at least 32");
  TilerOptions& tiler = options.tiler;
  tiler.tile = given.tile;
  tiler.overlap = given.overlap == 0 ? -1 : std::max<int64_t>(given.overlap, 0);
  tiler.memory = given.memory;
  tiler.test_time_augmentation = given.mean_of_8 != 0;
  tiler.alpha_by_model = given.smooth_alpha == 0;
  if (given.range) tiler.convention.in = parse_levels(given.range);
  if (given.range_out) tiler.convention.out = parse_levels(given.range_out);
  if (given.output) tiler.convention.output = given.output;
  if (given.order) {
    tiler.convention.order_known = true;
    tiler.convention.bgr = Text(given.order) == "bgr";
    if (Text(given.order) != "bgr" && Text(given.order) != "rgb")
      fail(Error::Kind::usage, "order \"", given.order, "\": use rgb or bgr");
  }
  return options;
}

template <class Make>
tessera_status* open(tessera_upscaler** upscaler, const Make& make) {
  return guard([&] {
    require(upscaler);
    *upscaler = nullptr;
    auto opened = std::make_unique<tessera_upscaler>();
    make(*opened);
    for (const auto& hand : opened->model->hands()) opened->devices.push_back(hand->name());
    *upscaler = opened.release();
  });
}

// Seconds that an input pixel takes, by a small picture; the first run of it makes all that later ones have.
double measured(tessera_upscaler& upscaler, const Frame& like) {
  const std::lock_guard lock(upscaler.mutex);
  if (upscaler.pixel_seconds > 0) return upscaler.pixel_seconds;
  Picture sample;
  static_cast<Frame&>(sample) = like;
  sample.width = std::min<int64_t>(like.width, 256);
  sample.height = std::min<int64_t>(like.height, 256);
  sample.allocate();
  for (size_t i = 0; i < sample.samples.size(); ++i) sample.samples[i] = static_cast<std::byte>(i * 37 ^ i >> 9);
  const Tiler& tiler = *upscaler.model->tiler();
  const int64_t scale = tiler.convention().scale;
  double seconds = 0;
  for (int round = 0; round < 2; ++round) {
    Report report;
    const auto start = std::chrono::steady_clock::now();
    tiler.upscale(sample, {sample.width * scale, sample.height * scale, 8}, report);
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  const Tiler::Forecast windows = tiler.forecast(sample.width, sample.height);
  upscaler.pixel_seconds =
      seconds / static_cast<double>(windows.windows * windows.window_width * windows.window_height);
  return upscaler.pixel_seconds;
}

const PlacedModel& model_for(const tessera_upscaler& upscaler, RowSource& source, const Wanted& wanted) {
  if (!upscaler.family) return *upscaler.model;
  RowSource* sources[] = {&source};
  return upscaler.family->for_pictures(sources, wanted);
}

}  // namespace

tessera_status* tessera_upscaler_open(const char* path, const tessera_upscaler_options* options,
                                      tessera_upscaler** upscaler) {
  return open(upscaler, [&](tessera_upscaler& opened) {
    const tessera_upscaler_options given = read_struct(options, "tessera_upscaler_options");
    const auto open_one = [place = read(given)](const std::string& name, std::vector<std::string>& notes) {
      return std::make_shared<PlacedModel>(name, place, nullptr, notes);
    };
    opened.model = open_one(path ? path : "", opened.notes);
    // The others say again what the first one said of the devices.
    if (!path)
      opened.family.emplace([open_one, first = opened.model](const std::string& name) {
        std::vector<std::string> told_before;
        return name == first->name() ? first : open_one(name, told_before);
      });
  });
}

tessera_status* tessera_upscaler_open_memory(const void* data, size_t bytes, const tessera_upscaler_options* options,
                                             tessera_upscaler** upscaler) {
  return open(upscaler, [&](tessera_upscaler& opened) {
    require(data);
    if (bytes == 0) fail(Error::Kind::model, "the model in memory is empty");
    const tessera_upscaler_options given = read_struct(options, "tessera_upscaler_options");
    const auto* first = static_cast<const std::byte*>(data);
    opened.bytes.assign(first, first + bytes);
    opened.model = std::make_shared<PlacedModel>(opened.bytes, given.name ? given.name : "model in memory", read(given),
                                                 nullptr, opened.notes);
  });
}

void tessera_upscaler_free(tessera_upscaler* upscaler) { delete upscaler; }

tessera_status* tessera_upscaler_ask(const tessera_upscaler* upscaler, tessera_upscaler_facts* facts) {
  return guard([&] {
    require(upscaler);
    const Tiler& tiler = *upscaler->model->tiler();
    const Convention& c = tiler.convention();
    const Reach& reach = tiler.reach();
    tessera_upscaler_facts told{};
    told.name = upscaler->model->name().c_str();
    told.scale = c.scale;
    told.channels = c.channels;
    told.out_channels = c.out_channels;
    told.dtype = static_cast<tessera_dtype>(c.dtype);
    told.packed = c.in.channel > c.in.x;
    told.blue_first = c.bgr;
    told.linear = c.linear;
    for (size_t i = 0; i < c.in_levels.size(); ++i) {
      told.black[i] = c.in_levels[i].black;
      told.white[i] = c.in_levels[i].white;
      told.out_black[i] = c.out_levels[i].black;
      told.out_white[i] = c.out_levels[i].white;
    }
    told.multiple = c.multiple;
    told.smallest = c.smallest;
    told.fixed_width = c.fixed_width;
    told.fixed_height = c.fixed_height;
    told.reach = reach.followed ? reach.radius : -1;
    told.lattice = reach.lattice;
    told.overlap = tiler.overlap();
    told.sees_all = reach.global;
    told.device_count = upscaler->devices.size();
    told.note_count = upscaler->notes.size();
    write_struct(told, facts, "tessera_upscaler_facts");
  });
}

const char* tessera_upscaler_device(const tessera_upscaler* upscaler, size_t index) {
  return upscaler && index < upscaler->devices.size() ? upscaler->devices[index].c_str() : nullptr;
}
const char* tessera_upscaler_note(const tessera_upscaler* upscaler, size_t index) {
  return upscaler && index < upscaler->notes.size() ? upscaler->notes[index].c_str() : nullptr;
}

tessera_status* tessera_upscaler_explain(const tessera_upscaler* upscaler, tessera_findings** findings) {
  return guard([&] {
    require(upscaler, findings);
    *findings = nullptr;
    *findings = new tessera_findings{explain(*upscaler->model->tiler())};
  });
}
size_t tessera_findings_count(const tessera_findings* findings) { return findings ? findings->list.size() : 0; }
tessera_status* tessera_findings_get(const tessera_findings* findings, size_t index, const char** what,
                                     const char** value, const char** evidence) {
  return guard([&] {
    require(findings, what, value, evidence);
    if (index >= findings->list.size()) fail(Error::Kind::usage, "there is no finding ", index);
    const Finding& finding = findings->list[index];
    *what = finding.what.c_str();
    *value = finding.value.c_str();
    *evidence = finding.evidence.c_str();
  });
}
void tessera_findings_free(tessera_findings* findings) { delete findings; }

tessera_status* tessera_upscale(const tessera_upscaler* upscaler, const tessera_picture* source,
                                const tessera_picture* result, const tessera_upscale_options* options,
                                tessera_upscale_report** report) {
  return guard([&] {
    if (report) *report = nullptr;
    require(upscaler, source, result);
    const tessera_upscale_options given = read_struct(options, "tessera_upscale_options");
    const int64_t scale = upscaler->model->tiler()->convention().scale;
    CallerSource from(read_struct(source, "tessera_picture"));
    CallerSink to(read_struct(result, "tessera_picture"));
    const Frame& in = from.head();
    Wanted wanted{given.width ? given.width : in.width * scale,
                  given.height ? given.height : in.height * scale,
                  to.frame().bits,
                  {given.x, given.y, to.frame().width, to.frame().height}};
    if (wanted.width <= 0 || wanted.height <= 0)
      fail(Error::Kind::usage, "a result of ", wanted.width, "x", wanted.height, " pixels cannot be");
    const Progress progress = [&](double done) {
      const bool stop = given.progress && given.progress(given.context, done) != 0;
      if (stop || tessera_cancel_requested(given.cancel)) fail(Error::Kind::cancelled, "cancelled");
    };
    if (tessera_cancel_requested(given.cancel)) fail(Error::Kind::cancelled, "cancelled");
    if ((in.bits == 32) != (to.frame().bits == 32))
      fail(Error::Kind::usage, "of the source and the result, one is light and one is not");
    const PlacedModel& model = model_for(*upscaler, from, wanted);
    const Tiler& tiler = *model.tiler();
    auto made = std::make_unique<tessera_upscale_report>();
    made->model = model.name();
    if (in.bits == 32) {
      const Recycler memory(1);
      LightSource light(from, memory);
      LightSink lit(to, light.peak());
      wanted.bits = light.head().bits;
      tiler.upscale(light, lit, wanted, made->report, progress);
    } else {
      tiler.upscale(from, to, wanted, made->report, progress);
    }
    if (report) *report = made.release();
  });
}

tessera_status* tessera_upscale_report_get(const tessera_upscale_report* report, tessera_upscale_summary* summary) {
  return guard([&] {
    require(report);
    const Report& r = report->report;
    write_struct({0, r.windows, r.window_width, r.window_height, r.model_seconds, static_cast<double>(r.seam),
                  r.notes.size(), report->model.c_str()},
                 summary, "tessera_upscale_summary");
  });
}
const char* tessera_upscale_report_note(const tessera_upscale_report* report, size_t index) {
  return report && index < report->report.notes.size() ? report->report.notes[index].c_str() : nullptr;
}
void tessera_upscale_report_free(tessera_upscale_report* report) { delete report; }

tessera_status* tessera_upscaler_forecast(const tessera_upscaler* upscaler, int64_t width, int64_t height, int channels,
                                          tessera_upscale_forecast* forecast) {
  return guard([&] {
    require(upscaler);
    if (width <= 0 || height <= 0 || channels < 1 || channels > 4)
      fail(Error::Kind::usage, "a picture of ", width, "x", height, " pixels of ", channels, " channels cannot be");
    const Tiler::Forecast windows = upscaler->model->tiler()->forecast(width, height);
    Frame frame;
    frame.width = width;
    frame.height = height;
    frame.channels = channels;
    const double pixels = static_cast<double>(windows.windows * windows.window_width * windows.window_height);
    write_struct({0, windows.windows, windows.window_width, windows.window_height, windows.run_bytes,
                  upscaler->model->weight_bytes(), pixels * measured(const_cast<tessera_upscaler&>(*upscaler), frame)},
                 forecast, "tessera_upscale_forecast");
  });
}
