// protobuf judges the wire reader: both read every model, every .pb and every hostile file, whole,
// cut off and damaged, and must see the same structure. The comparison follows the reader's own
// table of fields, so that it also checks the table against onnx.proto.
#include <algorithm>
#include <random>
#include <set>

#include "onnx.pb.h"
#include "runtime/onnx/load.h"
#include "runtime/onnx/proto.h"
#include "tests/support.h"

namespace tessera::onnx {
namespace {

namespace pb = google::protobuf;
namespace fs = std::filesystem;

/// A running FNV-1a hash of (field, value) pairs in the table's order.
class Dump {
 public:
  void add(uint64_t value) {
    for (int i = 0; i < 8; ++i) mix(static_cast<unsigned char>(value >> (8 * i)));
  }
  void add(float value) { add(uint64_t{std::bit_cast<uint32_t>(value)}); }
  void add(double value) { add(std::bit_cast<uint64_t>(value)); }
  void add(Text text) {
    add(uint64_t{text.size()});
    for (const char c : text) mix(static_cast<unsigned char>(c));
  }
  template <class T>
  requires std::is_integral_v<T>
  void add(T value) { add(static_cast<uint64_t>(static_cast<int64_t>(value))); }
  uint64_t hash() const { return hash_; }

 private:
  void mix(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3u; }
  uint64_t hash_ = 0xcbf29ce484222325u;
};

template <class T>
void dump(const T& message, Dump& out);

// --- Our structs ------------------------------------------------------------------------------

template <class T>
void dump_member(const T& value, uint32_t number, Dump& out) {
  if constexpr (std::is_same_v<T, Text> || std::is_integral_v<T>) {
    if (value == T{}) return;
    out.add(number);
    out.add(value);
  } else {
    out.add(number);
    dump(value, out);
  }
}

template <class T>
void dump_member(const std::optional<T>& value, uint32_t number, Dump& out) {
  if (!value) return;
  out.add(number);
  out.add(*value);
}

template <class T>
void dump_member(const std::unique_ptr<T>& value, uint32_t number, Dump& out) {
  if (value) dump_member(*value, number, out);
}

template <class T>
void dump_member(const std::vector<T>& values, uint32_t number, Dump& out) {
  for (const T& value : values) {
    out.add(number);
    if constexpr (std::is_same_v<T, Text>)
      out.add(value);
    else
      dump(value, out);
  }
}

template <class T>
void dump_member(const Packed<T>& values, uint32_t number, Dump& out) {
  out.add(number);
  values.each([&](T value) { out.add(value); });
}

template <auto Pointer, size_t Index, class T>
void dump_field(const proto::Field<Pointer, Index>& field, const T& message, Dump& out) {
  const auto& member = message.*Pointer;
  if constexpr (Index == 0) {
    dump_member(member, field.number, out);
  } else if (member.index() == Index) {
    const auto& value = std::get<Index>(member);
    if constexpr (requires { *value; }) {
      dump_member(*value, field.number, out);
    } else {
      out.add(field.number);
      out.add(value);
    }
  }
}

template <class T>
void dump(const T& message, Dump& out) {
  std::apply([&](const auto&... field) { (dump_field(field, message, out), ...); }, proto::Fields<T>::list);
  out.add(~uint64_t{0});
}

// --- protobuf's messages ----------------------------------------------------------------------

template <class T>
void dump_judge(const pb::Message& message, Dump& out);

// One value of a field, by protobuf's reflection; index -1 for a field that is not repeated.
void dump_judge_value(const pb::Message& message, const pb::FieldDescriptor* field, int index, Dump& out) {
  const pb::Reflection& r = *message.GetReflection();
  std::string scratch;
  const bool one = index < 0;
  switch (field->cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return out.add(one ? r.GetInt32(message, field) : r.GetRepeatedInt32(message, field, index));
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return out.add(one ? r.GetInt64(message, field) : r.GetRepeatedInt64(message, field, index));
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return out.add(uint64_t{one ? r.GetUInt64(message, field) : r.GetRepeatedUInt64(message, field, index)});
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return out.add(one ? r.GetFloat(message, field) : r.GetRepeatedFloat(message, field, index));
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return out.add(one ? r.GetDouble(message, field) : r.GetRepeatedDouble(message, field, index));
    case pb::FieldDescriptor::CPPTYPE_STRING:
      return out.add(Text(one ? r.GetStringReference(message, field, &scratch)
                              : r.GetRepeatedStringReference(message, field, index, &scratch)));
    default: FAIL() << "onnx.proto has a field of an unexpected type: " << field->full_name();
  }
}

template <class T>
struct Child {
  using type = void;
};
template <class T>
struct Child<std::unique_ptr<T>> {
  using type = T;
};
template <class T>
requires std::is_class_v<T> &&(!std::is_same_v<T, Text>)struct Child<std::vector<T>> {
  using type = T;
};
template <class T>
constexpr bool is_packed = std::is_base_of_v<PackedBytes, T>;
template <class T>
constexpr bool is_plain = std::is_same_v<T, Text> || std::is_integral_v<T>;

template <auto Pointer, size_t Index>
struct MemberType;
template <class M, class T, T M::*Pointer, size_t Index>
struct MemberType<Pointer, Index> {
  static auto get() {
    if constexpr (Index == 0)
      return std::type_identity<T>{};
    else
      return std::type_identity<std::variant_alternative_t<Index, T>>{};
  }
  using type = typename decltype(get())::type;
};

template <auto Pointer, size_t Index>
void dump_judge_field(const proto::Field<Pointer, Index>& own, const pb::Message& message, Dump& out) {
  using Member = typename MemberType<Pointer, Index>::type;
  using Element = typename Child<Member>::type;
  const auto* field = message.GetDescriptor()->FindFieldByNumber(static_cast<int>(own.number));
  ASSERT_NE(field, nullptr) << message.GetTypeName() << " has no field " << own.number;
  ASSERT_EQ(field->name(), own.name) << message.GetTypeName();
  const pb::Reflection& r = *message.GetReflection();
  if constexpr (is_packed<Member>) out.add(own.number);
  if (field->is_repeated()) {
    for (int i = 0; i < r.FieldSize(message, field); ++i) {
      if constexpr (!is_packed<Member>) out.add(own.number);
      if constexpr (!std::is_void_v<Element>)
        dump_judge<Element>(r.GetRepeatedMessage(message, field, i), out);
      else
        dump_judge_value(message, field, i, out);
    }
    return;
  }
  if (!r.HasField(message, field)) return;
  if constexpr (!std::is_void_v<Element>) {
    out.add(own.number);
    dump_judge<Element>(r.GetMessage(message, field), out);
  } else {
    // Members without std::optional do not tell a default from nothing.
    Dump written, nothing;
    dump_judge_value(message, field, -1, written);
    if (is_plain<Member> && Index == 0) {
      if constexpr (std::is_same_v<Member, Text>)
        nothing.add(Text{});
      else
        nothing.add(0);
      if (written.hash() == nothing.hash()) return;
    }
    out.add(own.number);
    dump_judge_value(message, field, -1, out);
  }
}

template <class T>
void dump_judge(const pb::Message& message, Dump& out) {
  // These two stand for sparse tensors and optionals as well.
  if constexpr (!std::is_same_v<T, proto::ElementType> && !std::is_same_v<T, proto::TensorType>) {
    EXPECT_TRUE(message.GetTypeName().ends_with(std::string(proto::Fields<T>::name))) << message.GetTypeName();
  }
  std::apply([&](const auto&... field) { (dump_judge_field(field, message, out), ...); }, proto::Fields<T>::list);
  out.add(~uint64_t{0});
}

// --- Comparing --------------------------------------------------------------------------------

struct Counts {
  int both = 0, neither = 0, only_ours = 0, only_judge = 0;
  std::set<uint64_t> hashes;  ///< of what both read: a comparison that sees nothing would have but one
};

/// Reads `bytes` with both; where both can, the structures must be equal.
template <class T, class Judge>
void compare(Text bytes, const std::string& label, Counts& counts) {
  Strings strings;
  std::unique_ptr<T> ours;
  std::string reason;
  try {
    ours = proto::read<T>(bytes, {strings});
  } catch (const Error& error) {
    reason = error.what();
  }
  Judge judge;
  const bool judged = judge.ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (!ours || !judged) {
    if (judged) ADD_FAILURE() << label << ": protobuf reads it, but we say " << reason;
    counts.only_judge += judged;
    counts.only_ours += ours != nullptr;
    counts.neither += !ours && !judged;
    return;
  }
  ++counts.both;
  Dump a, b;
  dump(*ours, a);
  dump_judge<T>(judge, b);
  EXPECT_EQ(a.hash(), b.hash()) << label;
  counts.hashes.insert(a.hash());
}

void compare_as_anything(Text bytes, const std::string& label, Counts& counts) {
  compare<proto::Model, ::onnx::ModelProto>(bytes, label, counts);
  compare<proto::Tensor, ::onnx::TensorProto>(bytes, label, counts);
  compare<proto::Sequence, ::onnx::SequenceProto>(bytes, label, counts);
  compare<proto::Optional, ::onnx::OptionalProto>(bytes, label, counts);
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<fs::path> files_below(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && (extension.empty() || entry.path().extension() == extension))
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

class Quiet {  // protobuf reports parse errors on stderr
  pb::LogSilencer silencer_;
};

TEST(OnnxJudge, EveryModelAndEveryTensorFile) {
  TESSERA_REQUIRE_SHARED(data);
  const Quiet quiet;
  Counts models, values;
  for (const char* folder : {"models", "onnx-tests"}) {
    for (const fs::path& path : files_below(data / folder, ".onnx"))
      compare<proto::Model, ::onnx::ModelProto>(read_text(path), path.string(), models);
    for (const fs::path& path : files_below(data / folder, ".pb"))
      compare_as_anything(read_text(path), path.string(), values);
  }
  EXPECT_EQ(models.neither + models.only_ours, 0);
  EXPECT_GT(models.both, 1900);
  EXPECT_GT(models.hashes.size(), 1500u);
  EXPECT_GT(values.both, 6000);
}

TEST(OnnxJudge, EveryHostileFile) {
  TESSERA_REQUIRE_SHARED(data);
  const Quiet quiet;
  Counts counts;
  for (const char* folder : {"onnx-derived", "onnx-ort-invalid", "go-fuzz-protobuf"})
    for (const fs::path& path : files_below(data / "malformed" / folder, ""))
      compare_as_anything(read_text(path), path.string(), counts);
  EXPECT_GT(counts.both, 100);
  EXPECT_GT(counts.neither, 100);
}

/// One to three random edits: flipped, replaced, inserted, deleted or repeated bytes.
std::string mutate(std::string bytes, std::mt19937& random) {
  const auto below = [&](size_t n) { return n ? random() % n : 0; };
  for (size_t edits = 1 + below(3); edits-- && !bytes.empty();) {
    const size_t at = below(bytes.size()), length = 1 + below(8);
    switch (below(5)) {
      case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8))); break;
      case 1: bytes[at] = static_cast<char>(random()); break;
      case 2: bytes.insert(at, 1, static_cast<char>(random())); break;
      case 3: bytes.erase(at, length); break;
      default: bytes.insert(at, bytes.substr(at, length)); break;
    }
  }
  return bytes;
}

std::string load_outcome(const std::string& bytes) {
  const auto owner = std::make_shared<const std::string>(bytes);
  try {
    load({reinterpret_cast<const std::byte*>(owner->data()), owner->size()}, owner, "mutant");
    return "ok";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(OnnxJudge, DamagedModels) {
  TESSERA_REQUIRE_SHARED(data);
  const Quiet quiet;
  std::mt19937 random(20240607);
  Counts counts;
  const auto files = files_below(data / "onnx-tests" / "node", ".onnx");
  for (size_t i = 0; i < files.size(); i += 9) {
    const std::string bytes = read_text(files[i]);
    if (bytes.size() > 20'000) continue;
    for (int round = 0; round < 80; ++round) {
      const std::string mutant = mutate(bytes, random);
      compare<proto::Model, ::onnx::ModelProto>(mutant, cat(files[i].string(), " mutant ", round), counts);
      EXPECT_FALSE(load_outcome(mutant).empty());
    }
  }
  EXPECT_GT(counts.both, 1000);
  EXPECT_LT(counts.only_ours, counts.neither / 50) << "only fields that we skip may differ";
}

TEST(OnnxJudge, DamagedTensors) {
  TESSERA_REQUIRE_SHARED(data);
  const Quiet quiet;
  std::mt19937 random(7);
  Counts counts;
  const auto files = files_below(data / "onnx-tests" / "node", ".pb");
  for (size_t i = 0; i < files.size(); i += 50) {
    const std::string bytes = read_text(files[i]);
    if (bytes.size() > 4'000) continue;
    for (int round = 0; round < 80; ++round)
      compare_as_anything(mutate(bytes, random), cat(files[i].string(), " mutant ", round), counts);
  }
  EXPECT_GT(counts.both, 1000);
}

TEST(OnnxJudge, EveryPrefix) {
  TESSERA_REQUIRE_SHARED(data);
  const Quiet quiet;
  Counts counts;
  for (const char* name : {"test_relu", "test_if", "test_loop11", "test_sequence_map_add_1_sequence_1_tensor"}) {
    const fs::path path = data / "onnx-tests/node" / name / "model.onnx";
    if (!fs::exists(path)) continue;
    const std::string bytes = read_text(path);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::string prefix = bytes.substr(0, size);
      compare<proto::Model, ::onnx::ModelProto>(prefix, cat(name, " cut to ", size), counts);
      EXPECT_FALSE(load_outcome(prefix).empty());
    }
  }
  EXPECT_GT(counts.neither, 100);
}

}  // namespace
}  // namespace tessera::onnx
