// The words every room shares: List, Text, and Error with the one way to raise it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <locale>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace tessera {

using Text = std::string_view;
template <class T>
using List = std::span<const T>;

/// Everything that can go wrong before a kernel runs. `what()` is the whole message; the
/// frame that knows the file or the node adds it once, with `place`.
class Error : public std::runtime_error {
 public:
  enum class Kind {
    usage,        ///< the caller asked for something that cannot be: a bad argument, a wrong input name
    file,         ///< a file cannot be opened, read or written
    model,        ///< the model is malformed or breaks a limit
    unsupported,  ///< the model is well-formed, but needs what tessera does not have
    shape,        ///< shapes do not fit
    type,         ///< data types do not fit
    memory,       ///< an allocation or a budget was exceeded
    device,       ///< a device is missing or failed
    cancelled,    ///< the caller asked to stop
    deadline,     ///< it took longer, or more rounds of loops, than the caller allows
  };

  Error(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind) {}
  Kind kind() const { return kind_; }
  /// Nothing is wrong with what was asked for: the caller has had enough.
  bool is_stop() const { return kind_ == Kind::cancelled || kind_ == Kind::deadline; }

 private:
  Kind kind_;
};

/// A stream that follows no host's locale and throws where memory ends, in place of a text cut short. Apart from cat,
/// of which there are very many.
[[gnu::noinline]] inline std::ostringstream plain_stream() {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.exceptions(std::ios_base::badbit);
  return out;
}

/// Joins its arguments into one string, as an ostream of the C locale would print them.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out = plain_stream();
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void fail(Error::Kind kind, const Parts&... parts) {
  throw Error(kind, cat(parts...));
}

}  // namespace tessera
