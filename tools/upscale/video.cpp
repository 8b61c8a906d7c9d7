#include "tools/upscale/video.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>

#include "upscale/crew.h"

namespace tessera::upscale {
namespace {

constexpr Text magic = "YUV4MPEG2 ";
static_assert(magic.size() == y4m_mark);
constexpr size_t longest_line = 4096;

struct Taken {
  std::string line;  ///< what stands before it, with its parameters
  Bytes bytes;
};

int64_t number_in(Text word, const std::string& name) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size() || number < 1 || number > (1 << 20))
    fail(Error::Kind::file, name, ": its header has no such size: ", word);
  return number;
}

/// What a header calls the layout of samples, after its C.
FrameFormat format_of_y4m(Text word, const std::string& name) {
  std::string pixels;
  const bool mono = word.starts_with("mono");
  const size_t digits = mono ? 4 : 3;
  Text rest = word.substr(std::min(digits, word.size()));
  pixels = mono ? "gray" : cat("yuv", word.substr(0, digits), "p");
  const bool deep = rest.starts_with("p1") || rest.starts_with("p9") || (mono && !rest.empty());
  if (deep) {
    if (!mono) rest.remove_prefix(1);
    pixels += cat(rest, "le");
    rest = {};
  }
  const bool sited = rest.empty() || rest == "jpeg" || rest == "mpeg2" || rest == "paldv";
  std::optional<FrameFormat> format = format_of_pixels(pixels);
  if (!format || !sited)
    fail(Error::Kind::unsupported, name, ": frames of the kind ", word,
         " are not known; give 420, 422, 444 or mono, of 8 to 16 bits (ffmpeg -pix_fmt yuv420p)");
  if (format->down == 2 && (rest == "jpeg" || (rest.empty() && !deep))) format->left = false;
  return *format;
}

/// Where frames come from.
class Source {
 public:
  Source(const Video& video, const std::atomic<bool>& cancel)
      : cancel_(cancel),
        name_(video.in == standard_stream ? "standard input" : video.in.string()),
        file_(video.in == standard_stream ? Descriptor::standard(STDIN_FILENO)
                                          : Descriptor::open(video.in.c_str(), O_RDONLY)) {
    if (!file_) fail(Error::Kind::file, name_, ": cannot be opened: ", std::strerror(errno));
    struct stat status {};
    if (::fstat(file_.number(), &status) == 0 && S_ISREG(status.st_mode)) size_ = status.st_size;
    y4m_ = !video.raw;
    if (y4m_)
      read_header();
    else
      format_ = *video.raw;
    if (!video.matrix.empty())
      set_matrix(format_, video.matrix);
    else
      set_matrix(format_, format_.height > 576 ? "bt709" : "bt601");  // as players take what does not say
  }

  const FrameFormat& format() const { return format_; }
  const std::string& name() const { return name_; }
  /// Of a file about how many frames it has; else 0.
  int64_t frames() const { return size_ / std::max<int64_t>(1, format_.bytes()); }
  /// The header of the result; empty for raw frames.
  std::string header(int64_t width, int64_t height) const {
    return y4m_ ? cat(magic, "W", width, " H", height, rest_of_header_, "\n") : "";
  }

  /// The first frames, which come again; of a pipe the very first, for nobody knows when the next one comes. One that
  /// is damaged is told of when its turn comes.
  const std::deque<Taken>& look_ahead(size_t frames) {
    if (!size_) frames = 1;
    try {
      for (Taken frame; ahead_.size() < frames && read_next(frame);) ahead_.push_back(std::move(frame));
    } catch (const Error& error) {
      if (error.kind() == Error::Kind::cancelled) throw;
      damaged_ = std::current_exception();
    }
    return ahead_;
  }
  /// False at the end.
  bool next(Taken& frame) {
    if (ahead_.empty() && damaged_) std::rethrow_exception(damaged_);
    if (ahead_.empty()) return read_next(frame);
    frame = std::move(ahead_.front());
    ahead_.pop_front();
    return true;
  }

 private:
  bool read_next(Taken& frame) {
    ++count_;
    if (y4m_) {
      std::optional<std::string> line = read_line();
      if (!line) return false;
      if (!line->starts_with("FRAME")) fail(Error::Kind::file, name_, ": frame ", count_, " is none");
      frame.line = *line + "\n";
    }
    frame.bytes.resize(static_cast<size_t>(format_.bytes()));
    const size_t got = read_bytes(file_.number(), frame.bytes.data(), frame.bytes.size(), name_, &cancel_);
    if (got == 0 && !y4m_) return false;
    if (got < frame.bytes.size()) fail(Error::Kind::file, name_, ": ends within frame ", count_);
    return true;
  }

  std::optional<std::string> read_line() {
    std::string line;
    for (std::byte byte; line.size() < longest_line;) {
      if (read_bytes(file_.number(), &byte, 1, name_, &cancel_) == 0) {
        if (line.empty()) return std::nullopt;
        break;
      }
      if (byte == std::byte{'\n'}) return line;
      line += static_cast<char>(byte);
    }
    fail(Error::Kind::file, name_, ": a line of its headers does not end");
  }

  void read_header() {
    const std::string line = read_line().value_or("");
    if (!line.starts_with(magic)) fail(Error::Kind::file, name_, ": is no YUV4MPEG2 stream");
    int64_t width = 0, height = 0;
    Text kind = "420", range;
    for (Text rest = Text(line).substr(magic.size()); !rest.empty();) {
      const Text word = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      const Text value = word.substr(std::min<size_t>(1, word.size()));
      if (word.starts_with('W'))
        width = number_in(value, name_);
      else if (word.starts_with('H'))
        height = number_in(value, name_);
      else if (!word.empty())
        rest_of_header_ += cat(" ", word);
      if (word.starts_with('C')) kind = value;
      if (word.starts_with("XCOLORRANGE=")) range = word.substr(12);
      if (word.starts_with('I') && value != "p" && value != "?")
        fail(Error::Kind::unsupported, name_, ": its frames are interlaced; make them whole first (ffmpeg -vf bwdif)");
    }
    if (!width || !height) fail(Error::Kind::file, name_, ": its header tells no size");
    format_ = format_of_y4m(kind, name_).sized(width, height);
    if (!range.empty()) format_.full = range == "FULL";
  }

  const std::atomic<bool>& cancel_;
  std::string name_, rest_of_header_;
  Descriptor file_;
  FrameFormat format_;
  bool y4m_ = true;
  int64_t size_ = 0, count_ = 0;
  std::deque<Taken> ahead_;
  std::exception_ptr damaged_;
};

/// By the first frames; a video that has none is told of when they are read.
Assigned assign(Source& source, const ChainFor& chain_for) {
  std::vector<Picture> pictures;
  for (const Taken& frame : source.look_ahead(FirstFrames::most))
    pictures.push_back(picture_of(source.format(), frame.bytes));
  if (pictures.empty())
    pictures.push_back(picture_of(source.format(), Bytes(static_cast<size_t>(source.format().bytes()))));
  FirstFrames first;
  for (const Picture& picture : pictures) first.add(picture);
  return chain_for(first.sources());
}

/// Frames on their way: taken in order, given back in any, written in order.
class Line {
 public:
  Line(Source& source, size_t room) : source_(source), room_(room) {}

  /// Takes the next frame with its number; false when there is none. One thread reads at a time, and none after one
  /// that failed: what stands behind a damaged frame is no frame.
  bool take(Taken& frame, int64_t& number) {
    const std::lock_guard reading(reading_);
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopped_ || static_cast<size_t>(taken_ - written_) < room_; });
      if (stopped_ || ended_) return false;
    }
    bool more = false;
    try {
      more = source_.next(frame);
    } catch (...) {
      stop();
      throw;
    }
    const std::lock_guard lock(mutex_);
    ended_ = !more;
    if (more) number = taken_++;
    changed_.notify_all();
    return more;
  }
  void give(int64_t number, Taken frame) {
    const std::lock_guard lock(mutex_);
    done_.emplace(number, std::move(frame));
    changed_.notify_all();
  }
  /// The next frame to be written; false when all are.
  bool next(Taken& frame) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || done_.contains(written_) || (ended_ && written_ == taken_); });
    if (stopped_ || !done_.contains(written_)) return false;
    frame = std::move(done_.extract(written_).mapped());
    return true;
  }
  void wrote() {
    const std::lock_guard lock(mutex_);
    ++written_;
    changed_.notify_all();
  }
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }
  int64_t written() const { return written_; }

 private:
  Source& source_;
  const size_t room_;
  std::mutex mutex_, reading_;
  std::condition_variable changed_;
  std::map<int64_t, Taken> done_;
  int64_t taken_ = 0, written_ = 0;
  bool ended_ = false, stopped_ = false;
};

/// Collects what frames tell; each note once.
void add_to(Report& all, const Report& one) {
  std::vector<std::string> notes = std::move(all.notes);
  const double seconds = all.model_seconds + one.model_seconds;
  for (const std::string& note : one.notes)
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  all = one;
  all.notes = std::move(notes);
  all.model_seconds = seconds;
}

}  // namespace

bool is_y4m(List<std::byte> begin) {
  return begin.size() >= magic.size() && std::memcmp(begin.data(), magic.data(), magic.size()) == 0;
}

VideoReport upscale_video(const Video& video, const Chain& given, const ChainFor& chain_for, Console& console,
                          const std::atomic<bool>& cancel) {
  const auto start = std::chrono::steady_clock::now();
  Source source(video, cancel);
  VideoReport result;
  result.in_format = source.format();
  const FrameFormat& format = result.in_format;
  const Assigned assigned = chain_for ? assign(source, chain_for) : Assigned{&given, {}};
  const Chain& chain = *assigned.chain;
  result.model = assigned.model;
  const Wanted wanted = chain.result_of(format.width, format.height, 16);
  result.out_format = format.sized(wanted.width, wanted.height);
  NewFile file(video.out);
  const std::string header = source.header(wanted.width, wanted.height);
  // One frame more than are computed, so that reading, computing and writing overlap.
  const int workers = chain.at_once() + 1;
  Line line(source, static_cast<size_t>(workers) + 1);
  Crew crew([&] { line.stop(); });
  std::mutex reporting;
  crew.start(
      workers,
      [&] {
        Taken frame;
        for (int64_t number = 0; line.take(frame, number);) {
          if (cancel) fail(Error::Kind::cancelled, "interrupted");
          Report report;
          try {
            const Picture picture = picture_of(format, frame.bytes);
            frame.bytes = frame_of(result.out_format, chain.upscale(picture, report));
          } catch (const Error& error) {
            if (error.kind() == Error::Kind::cancelled) throw;
            throw Error(error.kind(), cat(source.name(), ": frame ", number + 1, ": ", error.what()));
          }
          {
            const std::lock_guard lock(reporting);
            add_to(result.report, report);
          }
          line.give(number, std::move(frame));
        }
      },
      [] {});
  crew.start(
      1,
      [&] {
        file.write(std::as_bytes(List<char>(header)));
        for (Taken frame; line.next(frame); line.wrote()) {
          file.write(std::as_bytes(List<char>(frame.line)));
          file.write(frame.bytes);
          const auto frames = static_cast<double>(source.frames()), done = static_cast<double>(line.written() + 1);
          console.progress(0, cat(source.name(), " frame ", line.written() + 1),
                           frames > 0 ? std::min(1.0, done / frames) : 0.0);
        }
      },
      [] {});
  crew.join();
  if (cancel) fail(Error::Kind::cancelled, "interrupted");
  if (line.written() == 0) fail(Error::Kind::file, source.name(), ": has no frames");
  file.flush();
  file.publish();
  console.finished(0);
  result.frames = line.written();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace tessera::upscale
