// From the table of field numbers to the rows that the wire parser follows: what a field's C++ type
// says about how it is written and stored.
#include "runtime/onnx/proto.h"

namespace tessera::onnx::proto {
namespace {

template <class T>
const MessageTable& table_of();

// How a member of type T takes a value. The general case is a repeated or single message.
template <class T>
struct Slot;

template <class T>
requires std::is_integral_v<T>
struct Slot<T> {
  static constexpr Wire wire = Wire::varint;
  static void store(T& member, uint64_t value, Text) { member = static_cast<T>(value); }
};

template <>
struct Slot<float> {
  static constexpr Wire wire = Wire::fixed32;
  static void store(float& member, uint64_t value, Text) {
    const auto bits = static_cast<uint32_t>(value);
    std::memcpy(&member, &bits, sizeof member);
  }
};

template <>
struct Slot<Text> {
  static constexpr Wire wire = Wire::bytes;
  static constexpr bool is_name = true;
  static void store(Text& member, uint64_t, Text bytes) { member = bytes; }
};

template <class T>
struct Slot<std::optional<T>> {
  static constexpr Wire wire = Slot<T>::wire;
  static void store(std::optional<T>& member, uint64_t value, Text bytes) {
    Slot<T>::store(member.emplace(), value, bytes);
  }
};

template <>
struct Slot<std::vector<Text>> {
  static constexpr Wire wire = Wire::bytes;
  static constexpr bool is_name = true;
  static void store(std::vector<Text>& member, uint64_t, Text bytes) { member.push_back(bytes); }
};

template <class T>
struct Slot<Packed<T>> {
  static constexpr Wire wire = Packed<T>::wire;
  static void store(Packed<T>& member, uint64_t value, Text) { member.append(value, wire); }
  static void store_run(Packed<T>& member, Text run) { member.append(run); }
};

template <class T>
struct Slot<std::unique_ptr<T>> {
  static constexpr Wire wire = Wire::bytes;
  using Child = T;
  static void* open(std::unique_ptr<T>& member) {
    if (!member) member = std::make_unique<T>();
    return member.get();
  }
};

template <class T>
struct Slot<std::vector<T>> {
  static constexpr Wire wire = Wire::bytes;
  using Child = T;
  static void* open(std::vector<T>& member) { return &member.emplace_back(); }
};

// The member behind a field; of a oneof, the alternative, which replaces any other.
template <auto Pointer, size_t Index>
struct Access;

template <class M, class T, T M::*Pointer, size_t Index>
struct Access<Pointer, Index> {
  static auto& get(void* message) {
    auto& member = static_cast<M*>(message)->*Pointer;
    if constexpr (Index == 0) {
      return member;
    } else {
      if (member.index() != Index) member.template emplace<Index>();
      return std::get<Index>(member);
    }
  }
};

template <auto Pointer, size_t Index>
FieldRow row_of(const Field<Pointer, Index>& field) {
  using At = Access<Pointer, Index>;
  using S = Slot<std::remove_reference_t<decltype(At::get(nullptr))>>;
  FieldRow row{field.number, field.name, S::wire};
  row.is_name = requires { S::is_name; };
  if constexpr (requires { typename S::Child; }) {
    row.open = [](void* message) { return S::open(At::get(message)); };
    row.child = &table_of<typename S::Child>;
  } else {
    row.store = [](void* message, uint64_t value, Text bytes) { S::store(At::get(message), value, bytes); };
  }
  if constexpr (requires { &S::store_run; })
    row.store_run = [](void* message, Text run) { S::store_run(At::get(message), run); };
  return row;
}

template <class T>
const MessageTable& table_of() {
  static const MessageTable table = [] {
    MessageTable made{Fields<T>::name, sizeof(T), {}};
    std::apply([&](const auto&... field) { (made.rows.push_back(row_of(field)), ...); }, Fields<T>::list);
    return made;
  }();
  return table;
}

}  // namespace

template <class T>
std::unique_ptr<T> read(Text bytes, const ParseContext& context) {
  auto message = std::make_unique<T>();
  parse(bytes, table_of<T>(), message.get(), context);
  return message;
}

template std::unique_ptr<Model> read<Model>(Text, const ParseContext&);
template std::unique_ptr<Tensor> read<Tensor>(Text, const ParseContext&);
template std::unique_ptr<Sequence> read<Sequence>(Text, const ParseContext&);
template std::unique_ptr<Optional> read<Optional>(Text, const ParseContext&);

}  // namespace tessera::onnx::proto
