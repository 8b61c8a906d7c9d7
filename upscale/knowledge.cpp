#include "upscale/knowledge.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

#include "include/tessera/tessera.h"
#include "runtime/base/disk_cache.h"

namespace tessera::upscale {
namespace {

/// To be changed whenever something else is found out, or written down.
constexpr const char* edition = "3";

/// Numbers, one after the other; lines of text end.
class Writer {
 public:
  template <class T>
  void operator()(T& value) {
    if constexpr (std::is_enum_v<T>)
      text_ << static_cast<int>(value) << ' ';
    else if constexpr (std::is_same_v<T, std::string>)
      text_ << std::quoted(value) << '\n';
    else
      text_ << value << ' ';
  }
  Writer() {
    text_.imbue(std::locale::classic());  // whatever the program's: others read it
    text_ << std::setprecision(17);
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
};

class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) { text_.imbue(std::locale::classic()); }
  template <class T>
  void operator()(T& value) {
    if constexpr (std::is_enum_v<T>) {
      int number = 0;
      text_ >> number;
      value = static_cast<T>(number);
    } else if constexpr (std::is_same_v<T, std::string>) {
      text_ >> std::quoted(value);
    } else {
      text_ >> value;
    }
  }
  bool good() const { return !text_.fail(); }

 private:
  std::istringstream text_;
};

template <class Visit>
void fields(Visit& visit, Axes& axes) {
  visit(axes.batch), visit(axes.channel), visit(axes.y), visit(axes.x);
}

template <class Visit>
void fields(Visit& visit, Convention& c) {
  visit(c.dtype), visit(c.rank), fields(visit, c.in), fields(visit, c.out), visit(c.output), visit(c.batch);
  visit(c.channels), visit(c.out_channels), visit(c.fixed_width), visit(c.fixed_height), visit(c.multiple);
  visit(c.smallest), visit(c.scale), visit(c.lost_before), visit(c.lost_after);
  for (std::array<Levels, 4>* levels : {&c.in_levels, &c.out_levels})
    for (Levels& of : *levels) visit(of.black), visit(of.white);
  visit(c.levels_said), visit(c.bgr), visit(c.linear);
}

template <class Visit>
void fields(Visit& visit, Knowledge& k) {
  fields(visit, k.convention);
  visit(k.unlike), visit(k.drift);
  size_t count = k.findings.size();
  visit(count);
  k.findings.resize(std::min<size_t>(count, 100));
  for (Finding& finding : k.findings) visit(finding.what), visit(finding.value), visit(finding.evidence);
}

template <class Visit>
void fields(Visit& visit, Reach& r) {
  visit(r.radius), visit(r.lattice), visit(r.multiple), visit(r.measured), visit(r.followed), visit(r.global);
  visit(r.reason);
}

/// The name of what is kept; empty where nothing is to be.
std::string name_of(const Upsampler& model, const ConventionOptions& options, const char* what) {
  const std::string identity = model.identity();
  if (identity.empty()) return {};
  std::ostringstream said;
  said.imbue(std::locale::classic());
  for (const std::vector<Levels>* levels : {&options.in, &options.out}) {
    for (const Levels& of : *levels) said << of.black << ' ' << of.white << ' ';
    said << '/';
  }
  said << options.order_known << options.bgr << options.output;
  return cat(what, '-', identity, '-', std::hash<std::string>()(said.str()));
}

std::string first_line() { return cat("tessera ", tessera_version(), " edition ", edition, '\n'); }

template <class T>
bool recall(const std::string& name, T& found) {
  if (name.empty()) return false;
  const std::vector<std::byte> bytes = load_cached(name);
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(first_line())) return false;
  Reader reader(text.substr(first_line().size()));
  T read;
  std::string end;
  fields(reader, read);
  reader(end);
  if (!reader.good() || end != "end") return false;
  found = read;
  return true;
}

template <class T>
void keep(const std::string& name, T found) {
  if (name.empty()) return;
  Writer writer;
  std::string end = "end";
  fields(writer, found);
  writer(end);
  store_cached(name, std::as_bytes(List<char>(first_line() + writer.text())));
}

}  // namespace

Knowledge know(const Upsampler& model, const ConventionOptions& options) {
  const std::string name = name_of(model, options, "convention");
  Knowledge knowledge;
  if (!recall(name, knowledge)) {
    knowledge = examine(model, options);
    if (knowledge.unlike <= refused_unlike) keep(name, knowledge);
  }
  return knowledge;
}

Reach know_reach(const Upsampler& model, const Knowledge& knowledge, const ConventionOptions& options,
                 const Reach& walked, int64_t most) {
  const std::string name = name_of(model, options, "reach");
  Reach reach;
  if (recall(name, reach)) return reach;
  reach = walked.followed ? measure_radius(model, knowledge.convention, walked, most)
                          : measure(model, knowledge.convention);
  keep(name, reach);
  return reach;
}

std::string warning_of(const Knowledge& knowledge) {
  if (knowledge.unlike <= doubtful_unlike) return {};
  return cat("a test picture, upscaled and made smaller again, differs from itself by ", in_levels(knowledge.unlike),
             " of 255 levels: --explain tells what was found, --range and --channels say it better");
}

}  // namespace tessera::upscale
