// The protobuf wire format, read by a table of fields straight out of the file's bytes: strings and
// packed numbers are views into it. Nesting is followed with an explicit stack, never by recursion.
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include "runtime/base/base.h"

namespace tessera::onnx {

/// How one value of a field is written.
enum class Wire : uint8_t { varint = 0, fixed64 = 1, bytes = 2, group = 3, group_end = 4, fixed32 = 5 };

/// Reads a varint of at most ten bytes and moves `at` behind it; false if it is malformed.
bool read_varint(const char*& at, const char* end, uint64_t& value);

/// A repeated number as the bytes of a packed field. One packed run is a view into the file;
/// anything else (single values, several runs) is gathered into memory of its own.
class PackedBytes {
 public:
  Text bytes() const { return owned_ ? Text(*owned_) : view_; }
  bool empty() const { return bytes().empty(); }
  bool is_view() const { return !owned_; }
  void append(Text run);
  void append(uint64_t value, Wire wire);

 private:
  Text view_;
  std::unique_ptr<std::string> owned_;
};

/// T is int32_t, int64_t or uint64_t (varints), float or double (fixed).
template <class T>
struct Packed : PackedBytes {
  static constexpr Wire wire = std::is_same_v<T, float>    ? Wire::fixed32
                               : std::is_same_v<T, double> ? Wire::fixed64
                                                           : Wire::varint;

  size_t count() const {
    if constexpr (wire != Wire::varint) return bytes().size() / sizeof(T);
    size_t count = 0;
    for (const char c : bytes()) count += !(static_cast<unsigned char>(c) & 0x80);
    return count;
  }

  template <class F>
  void each(F&& f) const {
    const Text run = bytes();
    if constexpr (wire != Wire::varint) {
      for (size_t i = 0; i + sizeof(T) <= run.size(); i += sizeof(T)) {
        T value;
        std::memcpy(&value, run.data() + i, sizeof(T));
        f(value);
      }
    } else {
      const char* at = run.data();
      for (uint64_t value; at != run.data() + run.size();) {
        if (!read_varint(at, run.data() + run.size(), value)) return;
        f(static_cast<T>(value));
      }
    }
  }

  std::vector<T> values() const {
    std::vector<T> values;
    values.reserve(count());
    each([&](T value) { values.push_back(value); });
    return values;
  }
};

/// Copies of short strings, so that looking a name up later does not touch the file again.
class Strings {
 public:
  Text keep(Text text);

 private:
  std::vector<std::unique_ptr<char[]>> blocks_;
  size_t room_ = 0;
  char* at_ = nullptr;
};

struct MessageTable;

/// One field of one message: its number, and what to do with a value of it.
struct FieldRow {
  uint32_t number;
  Text name;
  Wire wire;
  bool is_name = false;  ///< a string that is looked up: kept as a copy where it is short
  /// Stores a number or a string.
  void (*store)(void* message, uint64_t value, Text bytes) = nullptr;
  /// Stores a packed run; null where the field takes single values only.
  void (*store_run)(void* message, Text run) = nullptr;
  /// The child message to fill: a new element, or the one already there (protobuf merges those).
  void* (*open)(void* message) = nullptr;
  const MessageTable& (*child)() = nullptr;
};

struct MessageTable {
  Text name;
  size_t object_bytes;  ///< what one message costs in memory
  std::vector<FieldRow> rows;

  const FieldRow* find(uint32_t number) const {
    for (const FieldRow& row : rows)
      if (row.number == number) return &row;
    return nullptr;
  }
};

/// What a parse needs beside the bytes.
struct ParseContext {
  Strings& strings;                         ///< outlives the message
  std::function<void()> passed_large = {};  ///< called behind every field of 64 KiB or more
};

/// Fills `message`, described by `table`. Unknown fields and groups are skipped, as protobuf does.
/// Throws Error::model where the bytes are malformed or nest too deeply, and Error::memory where
/// their messages would take more than a fair multiple of the bytes.
void parse(Text bytes, const MessageTable& table, void* message, const ParseContext& context);

}  // namespace tessera::onnx
