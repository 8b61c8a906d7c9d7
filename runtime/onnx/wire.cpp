#include "runtime/onnx/wire.h"

#include <algorithm>

namespace tessera::onnx {
namespace {

constexpr size_t max_depth = 100;  // what protobuf itself allows
constexpr size_t large_field = 64 << 10;
constexpr size_t short_name = 1 << 10;

/// A message that is being filled.
struct Open {
  const MessageTable* table;
  Text field;  ///< the name of the field that it is the value of
  void* message;
  const char* end;
};

class Parser {
 public:
  Parser(Text bytes, const MessageTable& table, void* message, const ParseContext& context)
      : begin_(bytes.data()), at_(bytes.data()), end_(bytes.data() + bytes.size()), context_(context) {
    // Small messages cost more in memory than in the file, but no honest model comes near this.
    budget_ = std::min<uint64_t>((uint64_t{256} << 20) + 32 * uint64_t{bytes.size()}, uint64_t{4} << 30);
    stack_.push_back({&table, table.name, message, end_});
  }

  void run() {
    while (!stack_.empty()) {
      if (at_ == stack_.back().end)
        stack_.pop_back();
      else
        field();
    }
  }

 private:
  struct Tag {
    uint32_t number;
    Wire wire;
  };

  [[noreturn]] void malformed(Text what) const {
    std::string path;
    for (size_t i = 0; i < stack_.size(); ++i) {
      if (i == 6) path += " ...";
      if (i < 6) path += cat(i ? "." : "", stack_[i].field);
    }
    fail(Error::Kind::model, "malformed at byte ", at_ - begin_, " (", path, "): ", what);
  }

  // Something reaches behind the end of the message at the top of the stack.
  [[noreturn]] void too_short() const {
    if (stack_.back().end == end_)
      fail(Error::Kind::model, "the file ends in the middle of ", stack_.back().table->name,
           ": it is truncated or damaged; download it again");
    malformed("a length reaches beyond the message around it");
  }

  uint64_t varint() {
    uint64_t value;
    const char* end = stack_.back().end;
    if (!read_varint(at_, end, value)) {
      if (end - at_ < 10) too_short();
      malformed("a number has more than ten bytes");
    }
    return value;
  }

  Tag tag() {
    const uint64_t raw = varint();
    if (raw > 0xffffffffu || raw >> 3 == 0) malformed("not a field number");
    if ((raw & 7) > 5) malformed("an unknown wire type");
    return {static_cast<uint32_t>(raw >> 3), static_cast<Wire>(raw & 7)};
  }

  Text take(uint64_t size) {
    if (size > static_cast<uint64_t>(stack_.back().end - at_)) too_short();
    const Text bytes(at_, size);
    at_ += size;
    return bytes;
  }

  uint64_t fixed(size_t size) {
    uint64_t value = 0;
    std::memcpy(&value, take(size).data(), size);  // both are little-endian
    return value;
  }

  void field() {
    const Tag tag = this->tag();
    if (tag.wire == Wire::group_end) malformed("the end of a group that was not begun");
    const Open& open = stack_.back();
    const FieldRow* row = open.table->find(tag.number);
    if (!row || (row->wire != tag.wire && !(row->store_run && tag.wire == Wire::bytes))) {
      skip(tag);
      return;
    }
    if (tag.wire != Wire::bytes) {
      const uint64_t value = tag.wire == Wire::varint ? varint() : fixed(tag.wire == Wire::fixed32 ? 4 : 8);
      row->store(open.message, value, {});
      return;
    }
    const Text bytes = take(varint());
    if (row->open) {
      descend(*row, bytes);
    } else if (row->wire != Wire::bytes) {
      check_run(row->wire, bytes);
      row->store_run(open.message, bytes);
    } else {
      charge(sizeof(Text));
      const bool copied = row->is_name && bytes.size() <= short_name;
      row->store(open.message, 0, copied ? context_.strings.keep(bytes) : bytes);
    }
    if (!row->open && bytes.size() >= large_field && context_.passed_large) context_.passed_large();
  }

  void charge(size_t bytes) {
    if (bytes > budget_)
      fail(Error::Kind::memory, "the file holds more messages than its size justifies: it is damaged or hostile");
    budget_ -= bytes;
  }

  void descend(const FieldRow& row, Text bytes) {
    if (stack_.size() >= max_depth) malformed(cat("messages nest deeper than ", max_depth));
    const MessageTable& table = row.child();
    charge(table.object_bytes);
    at_ = bytes.data();
    stack_.push_back({&table, row.name, row.open(stack_.back().message), at_ + bytes.size()});
  }

  void check_run(Wire wire, Text run) const {
    if (wire == Wire::varint) {
      uint64_t value;
      for (const char* at = run.data(); at != run.data() + run.size();)
        if (!read_varint(at, run.data() + run.size(), value)) malformed("a packed number is cut off");
    } else if (run.size() % (wire == Wire::fixed32 ? 4 : 8)) {
      malformed("a packed number is cut off");
    }
  }

  void skip(Tag tag) {
    std::vector<uint32_t> groups;
    for (;;) {
      switch (tag.wire) {
        case Wire::varint: varint(); break;
        case Wire::fixed64: take(8); break;
        case Wire::fixed32: take(4); break;
        case Wire::bytes: take(varint()); break;
        case Wire::group:
          if (stack_.size() + groups.size() >= max_depth) malformed("groups nest too deeply");
          groups.push_back(tag.number);
          break;
        case Wire::group_end:
          if (groups.empty() || groups.back() != tag.number) malformed("a group ends that was not begun");
          groups.pop_back();
          break;
      }
      if (groups.empty()) return;
      if (at_ == stack_.back().end) too_short();
      tag = this->tag();
    }
  }

  const char *begin_, *at_, *end_;
  const ParseContext& context_;
  uint64_t budget_;
  std::vector<Open> stack_;
};

}  // namespace

bool read_varint(const char*& at, const char* end, uint64_t& value) {
  value = 0;
  const char* p = at;
  for (int shift = 0; shift < 70; shift += 7) {
    if (p == end) return false;
    const auto byte = static_cast<unsigned char>(*p++);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      at = p;
      return true;
    }
  }
  return false;
}

void PackedBytes::append(Text run) {
  if (!owned_ && view_.empty()) {
    view_ = run;
    return;
  }
  if (!owned_) owned_ = std::make_unique<std::string>(view_);
  owned_->append(run);
}

void PackedBytes::append(uint64_t value, Wire wire) {
  if (!owned_) owned_ = std::make_unique<std::string>(view_);
  if (wire != Wire::varint) {
    owned_->append(reinterpret_cast<const char*>(&value), wire == Wire::fixed32 ? 4 : 8);
    return;
  }
  for (; value >= 0x80; value >>= 7) owned_->push_back(static_cast<char>(value | 0x80));
  owned_->push_back(static_cast<char>(value));
}

Text Strings::keep(Text text) {
  constexpr size_t block = 64 << 10;
  if (text.size() > room_) {
    blocks_.push_back(std::make_unique<char[]>(std::max(block, text.size())));
    at_ = blocks_.back().get();
    room_ = std::max(block, text.size());
  }
  std::copy(text.begin(), text.end(), at_);
  const Text copy(at_, text.size());
  at_ += text.size();
  room_ -= text.size();
  return copy;
}

void parse(Text bytes, const MessageTable& table, void* message, const ParseContext& context) {
  Parser(bytes, table, message, context).run();
}

}  // namespace tessera::onnx
