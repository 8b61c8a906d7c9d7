// Tensors as files hold them: every dtype in raw bytes and in typed lists, sparse tensors, external
// data and the attacks through its path, and the .pb files of containers.
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "include/tessera/tessera.h"
#include "tests/onnx_pen.h"
#include "tests/statuses.h"

namespace tessera::test {
namespace {

using testing::HasSubstr;

std::vector<DType> number_types() {
  std::vector<DType> types;
  for (int i = 1; i < dtype_count; ++i)
    if (static_cast<DType>(i) != DType::string) types.push_back(static_cast<DType>(i));
  return types;
}

Tensor load_proto(const TensorProto& proto) {
  const std::string bytes = proto.SerializeAsString();
  return onnx::load_tensor({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, "t.pb");
}

std::string error_of(const TensorProto& proto) {
  try {
    load_proto(proto);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string bytes_of(const Tensor& tensor) {
  return {tensor.as<const char>(), static_cast<size_t>(tensor.type.bytes())};
}

std::string counting_bytes(int64_t count, DType type) {
  std::string bytes(static_cast<size_t>(count), '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(type == DType::boolean ? i % 2 : i * 37 + 1);
  return bytes;
}

/// The same elements in the typed list that belongs to the dtype.
TensorProto as_list(const TensorProto& raw) {
  TensorProto made = raw;
  made.clear_raw_data();
  const std::string& bytes = raw.raw_data();
  const auto type = static_cast<DType>(raw.data_type());
  const auto each = [&]<class T>(T, auto add) {
    for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
      T value;
      std::memcpy(&value, bytes.data() + i, sizeof value);
      add(value);
    }
  };
  switch (type) {
    case DType::float32:
    case DType::complex64: each(float{}, [&](float v) { made.add_float_data(v); }); break;
    case DType::float64:
    case DType::complex128: each(double{}, [&](double v) { made.add_double_data(v); }); break;
    case DType::int64: each(int64_t{}, [&](int64_t v) { made.add_int64_data(v); }); break;
    case DType::uint64: each(uint64_t{}, [&](uint64_t v) { made.add_uint64_data(v); }); break;
    case DType::uint32: each(uint32_t{}, [&](uint32_t v) { made.add_uint64_data(v); }); break;
    case DType::int32: each(int32_t{}, [&](int32_t v) { made.add_int32_data(v); }); break;
    case DType::int16: each(int16_t{}, [&](int16_t v) { made.add_int32_data(v); }); break;
    case DType::int8: each(int8_t{}, [&](int8_t v) { made.add_int32_data(v); }); break;
    default:
      if (bits_of(type) == 16)
        each(uint16_t{}, [&](uint16_t v) { made.add_int32_data(v); });
      else
        each(uint8_t{}, [&](uint8_t v) { made.add_int32_data(v); });
  }
  return made;
}

TEST(OnnxWeights, EveryNumberTypeRawAndAsList) {
  for (const DType type : number_types()) {
    const Type wanted{type, {3, 3}};
    const TensorProto raw = raw_tensor("w", type, {3, 3}, counting_bytes(wanted.bytes(), type));
    const Tensor a = load_proto(raw), b = load_proto(as_list(raw));
    EXPECT_EQ(a.type, wanted) << name_of(type);
    EXPECT_EQ(b.type, wanted) << name_of(type);
    EXPECT_EQ(bytes_of(a), raw.raw_data()) << name_of(type);
    EXPECT_EQ(bytes_of(b), raw.raw_data()) << name_of(type);
    EXPECT_TRUE(a.is_aligned() && b.is_aligned());
  }
}

TEST(OnnxWeights, OneByteOrElementTooManyOrTooFew) {
  for (const DType type : number_types()) {
    const Type wanted{type, {3, 3}};
    const std::string bytes = counting_bytes(wanted.bytes(), type);
    EXPECT_THAT(error_of(raw_tensor("w", type, {3, 3}, bytes + '\0')), HasSubstr("needs")) << name_of(type);
    EXPECT_THAT(error_of(raw_tensor("w", type, {3, 3}, bytes.substr(1))), HasSubstr("needs")) << name_of(type);
    TensorProto list = as_list(raw_tensor("w", type, {3, 3}, bytes));
    list.set_dims(0, 40);
    EXPECT_THAT(error_of(list), HasSubstr("elements, but has")) << name_of(type);
  }
}

TEST(OnnxWeights, Strings) {
  TensorProto proto;
  proto.set_data_type(TensorProto::STRING);
  proto.add_dims(2);
  proto.add_string_data("hello");
  proto.add_string_data(std::string("a\0b", 3));
  const Tensor tensor = load_proto(proto);
  EXPECT_EQ(tensor.as<String>()[0], "hello");
  EXPECT_EQ(tensor.as<String>()[1].size(), 3u);
  proto.set_dims(0, 3);
  EXPECT_THAT(error_of(proto), HasSubstr("3 elements, but has 2"));
  EXPECT_THAT(error_of(raw_tensor("s", DType::string, {1}, "abc")), HasSubstr("cannot be raw"));
}

TEST(OnnxWeights, ScalarsAndEmptyTensors) {
  EXPECT_EQ(load_proto(raw_tensor("w", DType::int8, {}, "\5")).as<int8_t>()[0], 5);
  const Tensor none = load_proto(raw_tensor("w", DType::float32, {0, 4}, ""));
  EXPECT_EQ(none.type.shape, (Shape{0, 4}));
  EXPECT_NE(none.bytes, nullptr);
  TensorProto untouched = raw_tensor("w", DType::float32, {0}, "");
  untouched.clear_raw_data();
  EXPECT_NE(load_proto(untouched).bytes, nullptr);
}

TEST(OnnxWeights, BooleansAreOnlyEverZeroOrOne) {
  const Tensor tensor = load_proto(raw_tensor("w", DType::boolean, {4}, std::string("\0\1\2\xff", 4)));
  EXPECT_EQ(bytes_of(tensor), std::string("\0\1\1\1", 4));
}

TEST(OnnxWeights, NonsenseIsRefused) {
  EXPECT_THAT(error_of(raw_tensor("w", static_cast<DType>(77), {1}, "a")), HasSubstr("data type 77"));
  EXPECT_THAT(error_of(raw_tensor("w", DType::undefined, {1}, "a")), HasSubstr("no data type"));
  EXPECT_THAT(error_of(raw_tensor("w", DType::int8, {-1}, "a")), HasSubstr("negative extent"));
  EXPECT_THAT(error_of(raw_tensor("w", DType::int8, {1L << 32, 1L << 32, 1L << 32}, "a")), HasSubstr("too many"));
  EXPECT_THAT(error_of(raw_tensor("w", DType::float64, {1L << 61}, "a")), HasSubstr("too many"));
  EXPECT_THAT(error_of(raw_tensor("w", DType::int8, std::vector<int64_t>(65, 1), "a")), HasSubstr("65 dimensions"));
  TensorProto both = raw_tensor("w", DType::int32, {1}, "abcd");
  both.add_int32_data(1);
  EXPECT_THAT(error_of(both), HasSubstr("both raw and typed"));
  TensorProto wrong_list = raw_tensor("w", DType::float32, {1}, "");
  wrong_list.clear_raw_data();
  wrong_list.add_int32_data(1);
  EXPECT_THAT(error_of(wrong_list), HasSubstr("needs 1 elements, but has 0"));
  TensorProto segmented = raw_tensor("w", DType::int8, {1}, "a");
  segmented.mutable_segment()->set_end(1);
  EXPECT_THAT(error_of(segmented), HasSubstr("segments"));
  TensorProto elsewhere = raw_tensor("w", DType::int8, {1}, "a");
  elsewhere.set_data_location(9);
  EXPECT_THAT(error_of(elsewhere), HasSubstr("unknown data location"));
}

// Messages one behind the other are one message: lists are what came first and then what came later.
TEST(OnnxWeights, ListsMayComeInPieces) {
  const auto joined = [](const TensorProto& first, const TensorProto& rest) {
    const std::string bytes = first.SerializeAsString() + rest.SerializeAsString();
    return elements(onnx::load_tensor({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, "t.pb"));
  };
  for (const DType type : {DType::float32, DType::float64, DType::int64, DType::int32, DType::uint64}) {
    const auto piece = [&](std::initializer_list<int> values) {
      TensorProto proto;
      for (const int v : values) {
        if (type == DType::float32) proto.add_float_data(static_cast<float>(v));
        if (type == DType::float64) proto.add_double_data(v);
        if (type == DType::int64) proto.add_int64_data(v);
        if (type == DType::int32) proto.add_int32_data(v);
        if (type == DType::uint64) proto.add_uint64_data(static_cast<uint64_t>(v));
      }
      return proto;
    };
    TensorProto first = piece({3, 200});
    first.set_data_type(static_cast<int>(type));
    first.add_dims(5);
    EXPECT_THAT(joined(first, piece({7, 1, 90000})), testing::ElementsAre(3, 200, 7, 1, 90000)) << name_of(type);
  }
}

// --- Sparse -----------------------------------------------------------------------------------

SparseTensorProto sparse(const std::vector<int64_t>& indices, const std::vector<int64_t>& index_dims) {
  SparseTensorProto proto;
  TensorProto* values = proto.mutable_values();
  values->set_name("s");
  values->set_data_type(TensorProto::FLOAT);
  values->add_dims(2);
  values->add_float_data(5);
  values->add_float_data(7);
  TensorProto* at = proto.mutable_indices();
  at->set_data_type(TensorProto::INT64);
  for (const int64_t dim : index_dims) at->add_dims(dim);
  for (const int64_t index : indices) at->add_int64_data(index);
  proto.add_dims(2);
  proto.add_dims(3);
  return proto;
}

std::vector<double> sparse_elements(const SparseTensorProto& proto) {
  Pen pen;
  *pen.graph->add_sparse_initializer() = proto;
  pen.node("Add", {"x", "s"}, {"y"});
  const onnx::Loaded loaded = pen.load();
  return elements(*value_named(loaded.model.graph, "s").constant);
}

TEST(OnnxWeights, SparseInitializersBecomeDense) {
  EXPECT_THAT(sparse_elements(sparse({1, 5}, {2})), testing::ElementsAre(0, 5, 0, 0, 0, 7));
  EXPECT_THAT(sparse_elements(sparse({0, 2, 1, 0}, {2, 2})), testing::ElementsAre(0, 0, 5, 7, 0, 0));
}

TEST(OnnxWeights, SparseIndicesAndSizesAreChecked) {
  const auto error = [](const SparseTensorProto& proto, const onnx::Limits& limits = {}) {
    Pen pen;
    *pen.graph->add_sparse_initializer() = proto;
    pen.node("Relu", {"x"}, {"y"});
    return pen.error(limits);
  };
  EXPECT_THAT(error(sparse({1, 6}, {2})), HasSubstr("index 6 outside"));
  EXPECT_THAT(error(sparse({-1, 5}, {2})), HasSubstr("index -1 outside"));
  EXPECT_THAT(error(sparse({0, 3, 1, 0}, {2, 2})), HasSubstr("index 3 outside axis 1"));
  EXPECT_THAT(error(sparse({0, 0, 1, -1}, {2, 2})), HasSubstr("index -1 outside axis 1"));
  EXPECT_THAT(error(sparse({-1, 2, 1, 0}, {2, 2})), HasSubstr("index -1 outside axis 0"));
  EXPECT_THAT(error(sparse({0, 1, 2}, {3})), HasSubstr("has indices"));
  SparseTensorProto bomb = sparse({1, 5}, {2});
  bomb.set_dims(0, 1L << 30);
  EXPECT_THAT(error(bomb), HasSubstr("limit"));
  bomb.set_dims(0, 1L << 62);
  EXPECT_THAT(error(bomb), HasSubstr("too many elements"));
  SparseTensorProto hollow;
  EXPECT_THAT(error(hollow), HasSubstr("lacks its values"));
}

TEST(OnnxWeights, DecodingKeepsToItsBudget) {
  Pen pen;
  TensorProto* tensor = pen.graph->add_initializer();
  tensor->set_name("w");
  tensor->set_data_type(TensorProto::INT64);
  tensor->add_dims(1000);
  for (int i = 0; i < 1000; ++i) tensor->add_int64_data(i);
  pen.node("Relu", {"x"}, {"y"});
  onnx::Limits limits;
  limits.decoded_bytes = 7999;
  EXPECT_THAT(pen.error(limits), HasSubstr("limit of 7999 bytes"));
  limits.decoded_bytes = 8000;
  EXPECT_EQ(pen.error(limits), "");
}

// --- External data ----------------------------------------------------------------------------

class OnnxExternal : public testing::Test {
 protected:
  OnnxExternal() {
    std::filesystem::create_directory(folder_.path() / "m");
    write("m/w.bin", std::string("....") + std::string("\0\0\x80\x3f\0\0\0\x40", 8));
    write("secret.bin", std::string(8, 's'));
    pen_.node("Add", {"x", "w"}, {"y"});
    tensor_ = pen_.graph->add_initializer();
    tensor_->set_name("w");
    tensor_->set_data_type(TensorProto::FLOAT);
    tensor_->add_dims(2);
    tensor_->set_data_location(TensorProto::EXTERNAL);
  }

  void write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_.path() / name, std::ios::binary) << bytes;
  }

  void entry(const std::string& key, const std::string& value) {
    auto* added = tensor_->add_external_data();
    added->set_key(key);
    added->set_value(value);
  }

  onnx::Loaded load() {
    write("m/model.onnx", pen_.model.SerializeAsString());
    return onnx::load((folder_.path() / "m/model.onnx").string());
  }

  std::string error(const std::string& location, const std::string& offset = "4", const std::string& length = "8") {
    tensor_->clear_external_data();
    entry("location", location);
    entry("offset", offset);
    entry("length", length);
    try {
      load();
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  TemporaryFolder folder_;
  Pen pen_;
  TensorProto* tensor_;
};

TEST_F(OnnxExternal, AliasesTheMappedFile) {
  EXPECT_EQ(error("w.bin"), "");
  const onnx::Loaded loaded = load();
  EXPECT_THAT(elements(*value_named(loaded.model.graph, "w").constant), testing::ElementsAre(1, 2));
  EXPECT_EQ(error("./w.bin"), "");
  std::filesystem::create_directory(folder_.path() / "m/sub");
  std::filesystem::rename(folder_.path() / "m/w.bin", folder_.path() / "m/sub/w.bin");
  EXPECT_EQ(error("sub/w.bin"), "");
}

// Of a model that is copied, files may get shorter: its own, and the one with its weights.
TEST_F(OnnxExternal, CopiedFilesMayGetShorter) {
  const std::vector<float> weights(100'000, 3.0f);
  const Text bytes(reinterpret_cast<const char*>(weights.data()), weights.size() * sizeof(float));
  write("m/w.bin", std::string(bytes));
  entry("location", "w.bin");
  tensor_->set_dims(0, 100'000);
  *pen_.graph->add_initializer() = raw_tensor("v", DType::float32, {100'000}, std::string(bytes));
  pen_.graph->mutable_node()->Clear();
  pen_.graph->mutable_input()->Clear();
  add_input(pen_.graph, "x");
  pen_.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(
      1);
  pen_.node("Add", {"x", "w"}, {"s"});
  pen_.node("Add", {"s", "v"}, {"y"});
  write("m/model.onnx", pen_.model.SerializeAsString());
  tessera_options options;
  tessera_options_init(&options);
  options.device = "cpu";
  options.copy_files = 1;
  tessera_session* session = nullptr;
  expect_success(tessera_session_load((folder_.path() / "m/model.onnx").c_str(), &options, &session));
  for (const char* name : {"m/model.onnx", "m/w.bin"}) std::filesystem::resize_file(folder_.path() / name, 1);
  float x = 1;
  std::vector<float> y(weights.size());
  const int64_t one = 1, many = 100'000;
  const tessera_tensor in{TESSERA_FLOAT32, 1, &one, &x, sizeof x};
  const tessera_tensor out{TESSERA_FLOAT32, 1, &many, y.data(), y.size() * sizeof(float)};
  expect_success(tessera_run_into(session, &in, 1, &out, 1, nullptr));
  EXPECT_EQ(y, std::vector<float>(weights.size(), 7.0f));
  tessera_session_free(session);
}

TEST_F(OnnxExternal, LengthAndOffsetMayBeLeftOut) {
  write("m/w.bin", std::string("\0\0\x80\x3f\0\0\0\x40", 8));
  entry("location", "w.bin");
  EXPECT_THAT(elements(*value_named(load().model.graph, "w").constant), testing::ElementsAre(1, 2));
}

TEST_F(OnnxExternal, BoundsAreChecked) {
  EXPECT_THAT(error("w.bin", "5"), HasSubstr("needs bytes 5 to 13 of \"w.bin\", which has 12"));
  EXPECT_THAT(error("w.bin", "18446744073709551612"), HasSubstr("not a size"));
  EXPECT_THAT(error("w.bin", "4611686018427387904"), HasSubstr("which has 12"));
  EXPECT_THAT(error("w.bin", "-4"), HasSubstr("not a size"));
  EXPECT_THAT(error("w.bin", "4x"), HasSubstr("not a size"));
  EXPECT_THAT(error("w.bin", "4", "7"), HasSubstr("needs 8 bytes"));
  EXPECT_THAT(error("w.bin", "4", ""), HasSubstr("not a size"));
}

TEST_F(OnnxExternal, PathsThatLeaveTheFolderAreRefused) {
  const std::string secret = (folder_.path() / "secret.bin").string();
  EXPECT_THAT(error("../secret.bin", "0"), HasSubstr("leaves the model's folder"));
  EXPECT_THAT(error("sub/../../secret.bin", "0"), HasSubstr("leaves the model's folder"));
  EXPECT_THAT(error("..", "0"), HasSubstr("leaves the model's folder"));
  EXPECT_THAT(error(secret, "0"), HasSubstr("absolute"));
  EXPECT_THAT(error("/dev/zero", "0"), HasSubstr("absolute"));
  EXPECT_THAT(error("", "0"), HasSubstr("empty"));
  EXPECT_THAT(error(std::string("w.bin\0.txt", 10)), HasSubstr("NUL"));
  EXPECT_THAT(error("missing.bin"), HasSubstr("cannot open external data \"missing.bin\""));
}

TEST_F(OnnxExternal, LinksAndSpecialFilesAreRefused) {
  namespace fs = std::filesystem;
  fs::create_symlink("../secret.bin", folder_.path() / "m/link.bin");
  EXPECT_THAT(error("link.bin", "0"), HasSubstr("symbolic link"));
  fs::create_symlink("w.bin", folder_.path() / "m/inner.bin");
  EXPECT_THAT(error("inner.bin"), HasSubstr("symbolic link"));
  fs::create_directory_symlink("..", folder_.path() / "m/up");
  EXPECT_NE(error("up/secret.bin", "0"), "");
  fs::create_hard_link(folder_.path() / "secret.bin", folder_.path() / "m/hard.bin");
  EXPECT_THAT(error("hard.bin", "0"), HasSubstr("hard links"));
  fs::create_directory(folder_.path() / "m/dir.bin");
  EXPECT_THAT(error("dir.bin", "0"), HasSubstr("not a regular file"));
  ASSERT_EQ(mkfifo((folder_.path() / "m/pipe.bin").c_str(), 0600), 0);
  EXPECT_THAT(error("pipe.bin", "0"), HasSubstr("not a regular file"));
}

// A hub's cache: snapshots of links, all into one folder of blobs.
TEST_F(OnnxExternal, LinksOfAModelThatIsALinkMayLeadWhereItLeads) {
  namespace fs = std::filesystem;
  const fs::path root = folder_.path(), snapshot = root / "snapshots/main/onnx";
  fs::create_directories(snapshot / "parts");
  fs::create_directories(root / "blobs/deep");
  entry("location", "w.bin");
  entry("offset", "4");
  const auto load_snapshot = [&](const std::string& location) -> std::string {
    tensor_->mutable_external_data(0)->set_value(location);
    write("blobs/abc", pen_.model.SerializeAsString());
    try {
      const onnx::Loaded loaded = onnx::load((snapshot / "model.onnx").string());
      EXPECT_THAT(elements(*value_named(loaded.model.graph, "w").constant), testing::ElementsAre(1, 2));
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  fs::copy(root / "m/w.bin", root / "blobs/def");
  fs::copy(root / "m/w.bin", root / "blobs/deep/def");
  fs::create_symlink("../../../blobs/abc", snapshot / "model.onnx");
  fs::create_symlink("../../../blobs/def", snapshot / "w.bin");
  fs::create_symlink(root / "blobs/def", snapshot / "absolute.bin");
  fs::create_symlink("../../../../blobs/def", snapshot / "parts/w.bin");
  EXPECT_EQ(load_snapshot("w.bin"), "");
  EXPECT_EQ(load_snapshot("absolute.bin"), "");
  EXPECT_EQ(load_snapshot("parts/w.bin"), "");

  // Nowhere else, not by a second link, and no name in the model leaves the folder.
  fs::create_symlink("../../../blobs/deep/def", snapshot / "deeper.bin");
  fs::create_symlink("../../../secret.bin", snapshot / "out.bin");
  fs::create_symlink("out.bin", snapshot / "near.bin");
  fs::create_symlink("../secret.bin", root / "blobs/second");
  fs::create_symlink("../../../blobs/second", snapshot / "twice.bin");
  fs::create_directory_symlink("../../../blobs", snapshot / "folder");
  for (const char* name : {"deeper.bin", "out.bin", "near.bin", "twice.bin", "folder/def"})
    EXPECT_THAT(load_snapshot(name), HasSubstr("symbolic link")) << name;
  EXPECT_THAT(load_snapshot("../onnx/w.bin"), HasSubstr("leaves the model's folder"));
  EXPECT_THAT(load_snapshot("missing.bin"), HasSubstr("blobs/: name it there, or link its data too"));
  fs::remove(root / "blobs/def");
  EXPECT_THAT(load_snapshot("w.bin"), HasSubstr("cannot open external data \"w.bin\""));
}

TEST_F(OnnxExternal, AttributesAndSparseTensorsFollowTheSameRules) {
  const TensorProto external = *tensor_;
  pen_.graph->clear_initializer();
  auto* bad = add_attr(pen_.node("Constant", {}, {"w"}), "value", AttributeProto::TENSOR)->mutable_t();
  *bad = external;
  auto* location = bad->add_external_data();
  location->set_key("location");
  location->set_value("../secret.bin");
  EXPECT_THROW(load(), Error);
  pen_.graph->clear_node();
  SparseTensorProto* sparse_proto = pen_.graph->add_sparse_initializer();
  *sparse_proto = sparse({1, 5}, {2});
  *sparse_proto->mutable_values() = *bad;
  EXPECT_THROW(load(), Error);
}

TEST_F(OnnxExternal, AModelInMemoryHasNone) {
  entry("location", "w.bin");
  EXPECT_THAT(pen_.error(), HasSubstr("load it from its path"));
}

// --- Large files ------------------------------------------------------------------------------

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST(OnnxWeights, LoadingTouchesNoWeights) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "large.onnx").string();
  constexpr int64_t floats_each = 4 << 20;
  {
    Pen pen;
    pen.node("Relu", {"x"}, {"y"});
    for (int i = 0; i < 4; ++i)  // names of growing length move the data to every alignment
      *pen.graph->add_initializer() = raw_tensor(cat('w', std::string(static_cast<size_t>(i), 'w')), DType::float32,
                                                 {floats_each}, std::string(floats_each * 4, '\1'));
    std::ofstream(path, std::ios::binary) << pen.model.SerializeAsString();
  }
  const int64_t before = resident_bytes();
  const onnx::Loaded loaded = onnx::load(path);
  EXPECT_LT(resident_bytes() - before, int64_t{4} << 20) << "for a file of 64 MiB";
  EXPECT_EQ(loaded.model.weight_bytes, 4 * floats_each * 4);
  for (const char* name : {"w", "ww", "www", "wwww"}) {
    const Tensor& tensor = *value_named(loaded.model.graph, name).constant;
    EXPECT_TRUE(tensor.aligned().is_aligned());
    EXPECT_EQ(tensor.as<const char>()[floats_each], '\1');
  }
}

// --- Containers -------------------------------------------------------------------------------

Datum datum_of(const google::protobuf::Message& proto, Kind kind) {
  const std::string bytes = proto.SerializeAsString();
  return onnx::load_datum({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, kind, "t.pb");
}

TEST(OnnxWeights, SequencesOptionalsAndMaps) {
  ::onnx::SequenceProto sequence;
  sequence.set_elem_type(::onnx::SequenceProto::TENSOR);
  *sequence.add_tensor_values() = raw_tensor("", DType::int8, {1}, "\3");
  *sequence.add_tensor_values() = raw_tensor("", DType::int8, {2}, "\4\5");
  const Datum list = datum_of(sequence, Kind::sequence);
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.element, DType::int8);
  EXPECT_EQ(list.items[1].tensor.as<int8_t>()[1], 5);
  EXPECT_TRUE(datum_of(::onnx::SequenceProto(), Kind::sequence).items.empty());

  ::onnx::OptionalProto optional;
  EXPECT_TRUE(datum_of(optional, Kind::optional).items.empty());
  *optional.mutable_sequence_value() = sequence;
  const Datum some = datum_of(optional, Kind::optional);
  ASSERT_EQ(some.items.size(), 1u);
  EXPECT_EQ(some.items[0].kind, Kind::sequence);

  ::onnx::SequenceProto maps;
  auto* map = maps.add_map_values();
  map->add_keys(10);
  map->add_keys(-20);
  *map->mutable_values() = sequence;
  const Datum dictionary = datum_of(maps, Kind::sequence).items.at(0);
  EXPECT_EQ(dictionary.kind, Kind::map);
  EXPECT_THAT(elements(dictionary.keys), testing::ElementsAre(10, -20));
  map->add_keys(30);
  EXPECT_THROW(datum_of(maps, Kind::sequence), Error);
}

}  // namespace
}  // namespace tessera::test
