#include "upscale/choice.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <sstream>

#include "include/tessera/tessera.hpp"
#include "runtime/base/disk_cache.h"

namespace tessera::upscale {
namespace {

constexpr float tolerance = 2.0f / 255;
constexpr double worth_rounding = 1.3;
/// Who takes longer for the first run has no second one.
constexpr double long_run = 1.0;

/// Slopes, edges and texture of many sizes, so that rounding shows.
Picture calibration_picture(int64_t side) {
  Picture picture;
  picture.width = picture.height = side;
  picture.channels = 3;
  picture.bits = 8;
  picture.allocate();
  for (int64_t y = 0; y < picture.height; ++y)
    for (int64_t x = 0; x < picture.width; ++x)
      for (int c = 0; c < 3; ++c) {
        const double u = static_cast<double>(x) / static_cast<double>(side);
        const double v = static_cast<double>(y) / static_cast<double>(side);
        const double wave = 0.2 * std::sin(60 * u * u + 9 * c) * std::cos(50 * v * v), edge = u + v > 1.1 ? 0.25 : 0;
        const auto value = static_cast<float>(std::clamp(0.2 + 0.4 * u * v + wave + edge, 0.0, 1.0));
        picture.store(x, y, 1, c, &value);
      }
  return picture;
}

float distance(const Picture& a, const Picture& b) {
  if (a.samples.size() != b.samples.size()) return 1;
  int worst = 0;
  for (size_t i = 0; i < a.samples.size(); ++i)
    worst = std::max(worst, std::abs(std::to_integer<int>(a.samples[i]) - std::to_integer<int>(b.samples[i])));
  return static_cast<float>(worst) / 255;
}

Trial attempt(const Candidate& candidate, const Place& place, const Picture& picture, Picture& result,
              const std::atomic<bool>* cancel) {
  Trial trial{place, 0, 0, {}};
  try {
    PlaceOptions options = candidate.options;
    options.devices = {place.device};
    options.model.precision = place.precision;
    options.tiler.tile = 0;
    options.tiler.test_time_augmentation = options.tiler.verify_tiles = false;
    std::vector<std::string> notes;
    const PlacedModel model(candidate.path, options, cancel, notes);
    for (int run = 0; run < 2 && notes.empty() && (run == 0 || trial.seconds < long_run); ++run) {
      Report report;
      const auto start = std::chrono::steady_clock::now();
      result = model.tiler()->upscale(picture, report);
      trial.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      notes = report.notes;
      // Two hands: the first one was given up.
      if (model.hands().size() > 1 && notes.empty()) notes.push_back("it was given up");
    }
    if (place.device != "cpu" && !notes.empty()) trial.failure = notes[0];
  } catch (const Error& error) {
    if (error.is_stop() || place.device == "cpu") throw;
    trial.failure = error.what();
  }
  return trial;
}

std::string name_of(const Place& place) { return cat(place.device, " ", place.precision); }

std::string text_of(const std::vector<Trial>& trials) {
  std::string text;
  for (const Trial& trial : trials) {
    text += cat(text.empty() ? "" : ", ", name_of(trial.place), " ",
                !trial.failure.empty()         ? trial.failure
                : trial.difference > tolerance ? std::string("wrong")
                                               : with_digits(trial.seconds * 1000, 1) + " ms");
  }
  // A line holds an answer.
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return text;
}

/// What an answer depends on.
std::string key_of(const Candidate& candidate, const Machine& machine, uint64_t model_digest) {
  std::string key =
      cat(tessera_version(), " ", model_digest, " ", candidate.options.model.threads, " ", machine.devices);
  for (const Place& place : machine.places) key += cat(" ", name_of(place));
  std::replace_if(
      key.begin(), key.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return key;
}

}  // namespace

const Trial& best_of(List<Trial> trials) {
  const auto right = [](const Trial& trial) { return trial.failure.empty() && trial.difference <= tolerance; };
  const Trial* best = &trials[0];
  for (const Trial& trial : trials) {
    if (!right(trial) || trial.seconds >= best->seconds) continue;
    const auto single = std::find_if(trials.begin(), trials.end(), [&](const Trial& other) {
      return other.place.device == trial.place.device && other.place.precision == "fp32" && right(other);
    });
    const bool rounds = trial.place.precision == "fp16" && single != trials.end();
    if (!rounds || trial.seconds * worth_rounding <= single->seconds) best = &trial;
  }
  return *best;
}

Machine machine_for(const Candidate& candidate) {
  const std::string& given = candidate.options.model.precision;
  Machine machine{{{"cpu", given}}, {}};
  for (const api::Device& device : api::devices()) {
    machine.devices += cat(device.id, " ", device.name, " ", device.driver, " ", device.threads, " ");
    if (device.software || device.id == "cpu") continue;
    machine.places.push_back({device.id, given});
    if (!candidate.precision_given && device.fp16) machine.places.push_back({device.id, "fp16"});
  }
  return machine;
}

std::optional<Choice> choose(const Candidate& candidate, const Machine& machine, uint64_t model_digest,
                             const std::atomic<bool>* cancel) {
  const std::vector<Place>& places = machine.places;
  if (places.size() < 2) return std::nullopt;
  Remembered remembered("calibration");
  const std::string key = key_of(candidate, machine, model_digest);
  if (const auto known = remembered.find(key)) {
    std::istringstream words(*known);
    Choice choice{{}, {}, true};
    words >> choice.place.device >> choice.place.precision >> std::ws;
    std::getline(words, choice.told);
    if (std::find(places.begin(), places.end(), choice.place) != places.end()) return choice;
  }
  const Picture picture = calibration_picture(candidate.side);
  Picture judge;
  std::vector<Trial> trials;
  for (const Place& place : places) {
    Picture result;
    Trial trial = attempt(candidate, place, picture, result, cancel);
    if (trials.empty())
      judge = std::move(result);
    else if (trial.failure.empty())
      trial.difference = distance(judge, result);
    trials.push_back(std::move(trial));
  }
  const Choice choice{best_of(trials).place, text_of(trials), false};
  remembered.set(key, cat(name_of(choice.place), " ", choice.told));
  return choice;
}

}  // namespace tessera::upscale
