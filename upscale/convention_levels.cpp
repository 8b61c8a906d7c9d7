// Finding a model's numbers for black and white: its answers to a small picture must resemble it.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "runtime/base/rounding.h"
#include "upscale/probe.h"

namespace tessera::upscale {
namespace {

constexpr Levels unit{0, 1}, bytes{0, 255}, centered{-1, 1};

/// Over 25 upscalers the scene comes back 0.001 to 0.013 from itself in the model's own range, and 0.05 and more from
/// it in another, except where a network is nearly linear and any range will do.
constexpr double good = 0.012;

using PerChannel = std::array<Levels, 4>;
PerChannel all_of(const Levels& levels) { return {levels, levels, levels, levels}; }
/// (sample - mean) / deviation, as networks that were trained on ImageNet have it.
constexpr PerChannel imagenet{{{-2.1179039f, 2.2489083f}, {-2.0357143f, 2.4285715f}, {-1.8044444f, 2.64f}, {0, 1}}};

struct Guess {
  PerChannel in, out;
};

std::string text_of(const PerChannel& levels) {
  return levels == imagenet ? "mean and deviation of ImageNet" : cat(levels[0].black, "..", levels[0].white);
}
std::string text_of(const Guess& guess) {
  return guess.in == guess.out ? text_of(guess.in) : cat(text_of(guess.in), " in and ", text_of(guess.out), " out");
}

/// The likeliest first.
std::vector<Guess> guesses(const Convention& convention, DType out_type) {
  const PerChannel u = all_of(unit), b = all_of(bytes), c = all_of(centered), &n = imagenet;
  const auto whole = [](DType type) { return all_of({0, type == DType::uint16 ? 65535.0f : 255.0f}); };
  std::vector<Guess> all{{u, u}, {c, c}, {b, b}, {u, b}, {b, u}, {c, u}, {c, b}, {u, c}, {b, c}};
  if (convention.channels == 3) all.push_back({n, n}), all.push_back({n, u}), all.push_back({n, b});
  if (!is_float(convention.dtype)) {
    const PerChannel w = whole(convention.dtype);
    all = {{w, b}, {w, u}, {w, c}};
  }
  if (!is_float(out_type)) {
    for (Guess& guess : all) guess.out = whole(out_type);
  }
  return all;
}

/// What the file says of its pictures (the metadata of Windows' machine learning).
void read_metadata(const Upsampler& model, Convention& convention, std::optional<Levels>& levels) {
  for (const auto& [key, value] : model.metadata()) {
    if (key == "Image.BitmapPixelFormat") convention.bgr = value.starts_with("Bgr");
    if (key == "Image.ColorSpaceGamma") convention.linear = value == "Linear";
    if (key != "Image.NominalPixelRange") continue;
    if (value == "NominalRange_0_255") levels = bytes;
    if (value == "NominalRange_0_1" || value == "Normalized_0_1") levels = unit;
    if (value == "NominalRange_Minus1_1" || value == "Normalized_1_1") levels = centered;
    if (value == "NominalRange_16_235") levels = Levels{16, 235};
  }
}

PerChannel per_channel(const std::vector<Levels>& given) {
  PerChannel all;
  for (size_t c = 0; c < all.size(); ++c) all[c] = given[std::min(c, given.size() - 1)];
  return all;
}

/// Does what spoils the answer for some levels go away in a larger window? Then it is something that looks at
/// all of it, and no wrong range.
bool fades(const Upsampler& model, Probe probe, const Guess& guess, double unlike) {
  if (probe.convention.fixed_width || probe.convention.fixed_height || !std::isfinite(unlike)) return false;
  probe.grow(4);
  probe.ask(model, guess.in);
  return probe.unlikeness(guess.out, probe.convention.lost_before) < unlike / 2;
}

/// The guess whose answer resembles the picture; none if there is no such, or an even answer to all. `evidence` says
/// how much each did that was tried.
std::optional<Guess> choose(const Upsampler& model, Probe& probe, bool& even, std::string& evidence) {
  const auto look = [&] {
    const auto [low, high] = probe.extent();
    even = even && low == high;
  };
  even = true;
  const std::vector<Guess> all = guesses(probe.convention, probe.answer.type.dtype);
  std::optional<Guess> second;
  double first = INFINITY;
  for (size_t i = 0; i < all.size(); ++i) {
    probe.ask(model, all[i].in);
    look();
    const double unlike = probe.unlikeness(all[i].out, probe.convention.lost_before);
    const bool plausible = probe.plausible(all[i].out[0]);
    if (i < 5)
      evidence += cat(i == 0 ? "the answer to a test picture differs from it by " : ", ", in_levels(unlike), " for ",
                      text_of(all[i]), plausible ? "" : " (far outside of it)");
    if (i == 0) first = unlike;
    if (!plausible) continue;
    if (unlike <= refused_unlike && !second) second = all[i];
    // A network that is nearly linear resembles a picture in any range: another one must be clearly better.
    if (!(unlike <= good) || (i > 0 && unlike > 0.6 * first)) continue;
    return i > 0 && fades(model, probe, all[0], first) ? all[0] : all[i];
  }
  return second;
}

/// A result that is larger than a whole multiple: which of its borders is to be cut off?
void find_surplus(const Probe& probe, Convention& convention) {
  const int64_t surplus = convention.lost_before + convention.lost_after;
  if (surplus >= 0) return;
  double least = INFINITY;
  for (int64_t distance = 0; distance <= -surplus; ++distance) {
    // The middle first, then to both sides of it.
    const int64_t lost = floor_div(surplus, 2) + (distance % 2 ? 1 : -1) * ((distance + 1) / 2);
    if (lost < surplus || lost > 0) continue;
    const double unlike = probe.unlikeness(convention.out_levels, lost);
    if (unlike >= least) continue;
    least = unlike;
    convention.lost_before = lost;
    convention.lost_after = surplus - lost;
  }
}

}  // namespace

std::string with_digits(double value, int digits) {
  char text[400];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed, digits).ptr};
}

std::string in_levels(double difference) {
  return std::isfinite(difference) ? with_digits(difference * 255, difference < 10.0 / 255) : "endlessly much";
}

namespace {

/// The answer to the picture at these levels; a smaller one where there is no memory.
Probe first_answer(const Upsampler& model, const Convention& convention, const PerChannel& levels) {
  for (int64_t side : {64, 48, 32}) try {
      Probe probe(convention, side);
      probe.ask(model, levels);
      return probe;
    } catch (const std::bad_alloc&) {
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::memory) throw;
    }
  fail(Error::Kind::memory, "not enough memory even for a small picture");
}

}  // namespace

void find_levels(const Upsampler& model, const ConventionOptions& options, Knowledge& knowledge) {
  Convention& convention = knowledge.convention;
  std::optional<Levels> said;
  read_metadata(model, convention, said);
  const bool order_said = convention.bgr;
  if (options.order_known) convention.bgr = options.bgr;
  const bool in_given = !options.in.empty(), out_given = !options.out.empty();
  std::string evidence = in_given ? "as --range, --white or the manifest says" : "as the file's metadata says";
  convention.in_levels = in_given ? per_channel(options.in) : all_of(said.value_or(unit));
  convention.levels_said = in_given || said;
  Probe probe = first_answer(model, convention,
                             convention.levels_said ? convention.in_levels : guesses(convention, DType::float32)[0].in);
  convention.out_levels = convention.in_levels;
  if (!convention.levels_said) {
    bool even = false;
    evidence.clear();
    const std::optional<Guess> found = choose(model, probe, even, evidence);
    if (even)
      fail(Error::Kind::device, "the model gives one even color for a picture that has many: it, or the device, fails");
    if (!found)
      fail(Error::Kind::unsupported, "cannot tell the model's numbers for black and white: ", evidence,
           " (of 255 levels; upscalers have less than 10); say them with --range BLACK:WHITE");
    evidence += " (of 255 levels)";
    convention.in_levels = found->in;
    convention.out_levels = found->out;
    probe.ask(model, found->in);
  }
  if (out_given) convention.out_levels = per_channel(options.out);
  Findings& findings = knowledge.findings;
  findings.push_back({"levels", text_of(Guess{convention.in_levels, convention.out_levels}), evidence});
  if (convention.channels > 1)
    findings.push_back({"first color", convention.bgr ? "blue" : "red",
                        options.order_known ? "as --channels or the manifest says"
                        : order_said        ? "as the file's metadata says"
                                            : "no file says otherwise, and answers do not tell"});
  find_surplus(probe, convention);
  if (convention.lost_before || convention.lost_after)
    findings.push_back({"borders", cat(convention.lost_before, " before, ", convention.lost_after, " after"),
                        "result pixels that lack (or are too many, where negative) of the scale times the input"});
  knowledge.unlike = probe.unlikeness(convention.out_levels, convention.lost_before);
  knowledge.drift = probe.drift(convention.out_levels, convention.lost_before);
  findings.push_back({"check", cat("differs by ", in_levels(knowledge.unlike), " of 255 levels"),
                      cat("the picture, upscaled and made smaller again, in the mean; squares of ", drift_square,
                          " pixels by up to ", in_levels(knowledge.drift), "; upscalers have 0.2 to 4")});
}

}  // namespace tessera::upscale
