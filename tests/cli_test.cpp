// The command's own parts: .npy files, inputs from options, and the judging of test outputs.
#include <algorithm>
#include <numeric>

#include "tests/support.h"
#include "tools/conformance.h"
#include "tools/inputs.h"
#include "tools/npy.h"

namespace tessera::tools {
namespace {

Tensor round_trip(const Tensor& tensor) {
  const std::string text = format_npy(tensor);
  return parse_npy({reinterpret_cast<const std::byte*>(text.data()), text.size()});
}

Tensor parse(const std::string& text) {
  return parse_npy({reinterpret_cast<const std::byte*>(text.data()), text.size()});
}

// A version-1 file with this header and data.
std::string npy(const std::string& header, const std::string& data) {
  std::string text = "\x93NUMPY";
  text += '\x01';
  text += '\0';
  text += static_cast<char>(header.size() & 255);
  text += static_cast<char>(header.size() >> 8);
  return text + header + data;
}

TEST(Npy, EveryTypeSurvives) {
  for (const DType dtype :
       {DType::boolean, DType::int8, DType::int16, DType::int32, DType::int64, DType::uint8, DType::uint16,
        DType::uint32, DType::uint64, DType::float16, DType::float32, DType::float64}) {
    const Tensor tensor = test::random_tensor(dtype, {2, 3}, 1, 0, 2);
    EXPECT_TRUE(test::close(round_trip(tensor), tensor, 0, 0)) << name_of(dtype);
  }
}

TEST(Npy, ShapesOfEveryRankSurvive) {
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{0, 3}, Shape{1, 2, 3, 4, 5}}) {
    const Tensor tensor = test::random_tensor(DType::float32, shape, 2);
    EXPECT_TRUE(test::close(round_trip(tensor), tensor, 0, 0)) << cat(shape);
    EXPECT_EQ((format_npy(tensor).size() - static_cast<size_t>(tensor.type.bytes())) % 64, 0u);
  }
}

TEST(Npy, TypesThatNumpyLacksAreWidened) {
  EXPECT_EQ(round_trip(test::tensor(DType::bfloat16, {2}, {1, 2.5})).type.dtype, DType::float32);
  EXPECT_EQ(test::elements(round_trip(test::tensor(DType::float8e4m3fn, {2}, {1, 2.5}))),
            (std::vector<double>{1, 2.5}));
  const Tensor nibbles = round_trip(test::tensor(DType::int4, {3}, {-8, 7, 1}));
  EXPECT_EQ(nibbles.type.dtype, DType::int8);
  EXPECT_EQ(test::elements(nibbles), (std::vector<double>{-8, 7, 1}));
}

TEST(Npy, StringsSurvive) {
  Tensor tensor = Tensor::make({DType::string, {3}, Layout::row_major});
  tensor.as<String>()[0] = "plain";
  tensor.as<String>()[1] = "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8e\x89";
  const Tensor back = round_trip(tensor);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(back.as<String>()[i], tensor.as<String>()[i]);
}

TEST(Npy, ColumnOrderAndBigEndianAreTurned) {
  std::string data;
  for (const int value : {1, 4, 2, 5, 3, 6}) {
    data += '\0';
    data += static_cast<char>(value);
  }
  const Tensor tensor = parse(npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3)}", data));
  EXPECT_EQ(cat(tensor.type), "int16[2,3]");
  EXPECT_EQ(test::elements(tensor), (std::vector<double>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, Version3IsRead) {
  const std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n";
  std::string text = "\x93NUMPY";
  text += '\x03';
  text += '\0';
  text += static_cast<char>(header.size());
  text += std::string(3, '\0');
  EXPECT_EQ(test::elements(parse(text + header + "\x07\x08")), (std::vector<double>{7, 8}));
}

TEST(Npy, HostileFilesAreRefused) {
  const std::string good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", std::string(8, '\0'));
  ASSERT_NO_THROW(parse(good));
  for (size_t length = 0; length < good.size(); ++length) EXPECT_THROW(parse(good.substr(0, length)), Error) << length;
  for (const std::string& header : {
           std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999999,)}"),
           std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4611686018427387904)}"),
           std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"),
           std::string("{'descr': '<f4', 'fortran_order': False}"),
           std::string("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}"),
           std::string("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (2,)}"),
           std::string("{'descr': '<f3', 'fortran_order': False, 'shape': (2,)}"),
           std::string("{'descr': '<U99999999999999999', 'fortran_order': False, 'shape': (2,)}"),
           std::string("{'descr': '<U0', 'fortran_order': False, 'shape': (99999999999,)}"),
           std::string("{'descr': '|O', 'fortran_order': False, 'shape': (2,)}"),
           std::string("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}"),
           std::string("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} import os"),
           std::string("{'descr': '<f4"),
       })
    EXPECT_THROW(parse(npy(header, std::string(8, '\0'))), Error) << header;
}

TEST(Npy, FilesAreWrittenWholeOrNotAtAll) {
  const test::TemporaryFolder folder;
  const Tensor tensor = test::floats({2}, {1, 2});
  write_npy(folder.path() / "a.npy", tensor);
  EXPECT_TRUE(test::close(read_npy(folder.path() / "a.npy"), tensor));
  EXPECT_THROW(write_npy(folder.path() / "a.npy" / "b.npy", tensor), Error);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  write_npy(folder.path() / "new" / "a.npy", tensor);
  EXPECT_TRUE(test::close(read_npy(folder.path() / "new" / "a.npy"), tensor));
}

Port port(const std::string& name, DType dtype, const Shape& shape, std::vector<std::string> dim_names) {
  Port made;
  made.name = name;
  made.type.dtype = dtype;
  made.type.shape = shape;
  made.ranked = true;
  made.dim_names = std::move(dim_names);
  return made;
}

std::vector<Port> two_ports() {
  return {port("x", DType::float32, {-1, 3, -1, -1}, {"n", "", "h", "w"}),
          port("a=b", DType::int64, {-1, -1}, {"n", "w"})};
}

TEST(Inputs, ShapesAreParsed) {
  EXPECT_EQ(parse_shape("1x3x64x64"), (Shape{1, 3, 64, 64}));
  EXPECT_EQ(parse_shape("2,5"), (Shape{2, 5}));
  EXPECT_EQ(parse_shape(""), Shape{});
  for (const char* wrong : {"x", "1x", "1xx2", "-1", "1x3 ", "99999999999999999999", "1.5"})
    EXPECT_THROW(parse_shape(wrong), Error) << wrong;
}

TEST(Inputs, OpenExtentsGetDefaultsAndSharedNames) {
  InputOptions options;
  options.default_dim = 16;
  EXPECT_EQ(cat(input_types(two_ports(), options)[0]), "float32[1,3,16,16]");
  EXPECT_EQ(cat(input_types(two_ports(), options)[1]), "int64[1,16]");
  options.shapes = {"x=2x3x8x9"};
  EXPECT_EQ(cat(input_types(two_ports(), options)[1]), "int64[2,9]");
  options.shapes = {"a=b=4x5"};
  EXPECT_EQ(cat(input_types(two_ports(), options)[1]), "int64[4,5]");
  options.shapes = {"y=1"};
  EXPECT_THROW(input_types(two_ports(), options), Error);
  options.shapes = {"1x3x8x8"};
  EXPECT_THROW(input_types(two_ports(), options), Error) << "two inputs need a name";
}

TEST(Inputs, RandomValuesKeepTheirRange) {
  const Tensor real = random_input({DType::float32, {1000}, Layout::row_major}, 3);
  const std::vector<double> values = test::elements(real);
  EXPECT_GE(*std::min_element(values.begin(), values.end()), 0);
  EXPECT_LT(*std::max_element(values.begin(), values.end()), 1);
  EXPECT_NEAR(std::accumulate(values.begin(), values.end(), 0.0) / 1000, 0.5, 0.05);
  EXPECT_EQ(test::elements(random_input(real.type, 3)), values);
  for (const double value : test::elements(random_input({DType::int32, {100}, Layout::row_major}, 3)))
    EXPECT_TRUE(value == 0 || value == 1);
  EXPECT_EQ(test::elements(random_input({DType::boolean, {3}, Layout::row_major}, 3)), (std::vector<double>{0, 1, 0}));
}

TEST(Inputs, FilesMeetTypesThatNumpyLacks) {
  const test::TemporaryFolder folder;
  const std::string path = (folder.path() / "x.npy").string();
  write_npy(path, test::floats({2}, {1, 2}));
  const std::vector<Port> ports{port("x", DType::bfloat16, {2}, {""})};
  InputOptions options;
  options.files = {"x=" + path};
  EXPECT_EQ(cat(make_inputs(ports, options)[0].type), "bfloat16[2]");
}

TEST(Inputs, FileNamesHoldNoPaths) {
  EXPECT_EQ(file_name("a/b:c"), "a_b_c");
  EXPECT_EQ(file_name(".."), "_..");
  EXPECT_EQ(file_name(""), "_");
  EXPECT_EQ(file_name(std::string(500, 'x')).size(), 200u);
}

TEST(Conformance, DifferencesAreFound) {
  Datum a, b;
  a.tensor = test::floats({2}, {1, NAN});
  b.tensor = test::floats({2}, {1.0005, NAN});
  EXPECT_EQ(difference(a, b), "");
  b.tensor = test::floats({2}, {1.01, NAN});
  EXPECT_NE(difference(a, b), "");
  b.tensor = test::floats({2, 1}, {1, NAN});
  EXPECT_NE(difference(a, b), "");
  a.tensor = test::tensor(DType::int64, {1}, {100000});
  b.tensor = test::tensor(DType::int64, {1}, {100001});
  EXPECT_NE(difference(a, b), "") << "integers are exact";
  Datum sequence;
  sequence.kind = Kind::sequence;
  sequence.items = {a};
  EXPECT_EQ(difference(sequence, sequence), "");
  EXPECT_NE(difference(sequence, a), "");
}

}  // namespace
}  // namespace tessera::tools
