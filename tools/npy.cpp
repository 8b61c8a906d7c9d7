// Reading and writing .npy files. The header is text of one Python dictionary; it is parsed by a
// small reader of its own that takes nothing but the three keys of the format.
#include "tools/npy.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include "upscale/codecs/files.h"

namespace tessera::tools {

namespace {

static_assert(std::endian::native == std::endian::little, "elements are written as they lie in memory");

constexpr Text magic("\x93NUMPY", 6);
constexpr size_t max_header = 1 << 20;
constexpr size_t max_rank = 64;

// NumPy's letter and size for the dtypes that both have.
struct NpyType {
  DType dtype;
  char letter;
  int bytes;
};
constexpr NpyType npy_types[] = {
    {DType::boolean, 'b', 1},   {DType::int8, 'i', 1},        {DType::int16, 'i', 2},   {DType::int32, 'i', 4},
    {DType::int64, 'i', 8},     {DType::uint8, 'u', 1},       {DType::uint16, 'u', 2},  {DType::uint32, 'u', 4},
    {DType::uint64, 'u', 8},    {DType::float16, 'f', 2},     {DType::float32, 'f', 4}, {DType::float64, 'f', 8},
    {DType::complex64, 'c', 8}, {DType::complex128, 'c', 16},
};

struct Header {
  char order = '|', letter = 0;
  int64_t size = 0;  // bytes of one element; for U, characters
  bool fortran = false;
  Shape shape;
};

[[noreturn]] void bad(Text why) { fail(Error::Kind::file, "not a .npy file that can be read: ", why); }

class HeaderReader {
 public:
  explicit HeaderReader(Text text) : text_(text) {}

  Header read() {
    Header header;
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!take('}')) {
      const Text key = string();
      expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        read_descr(header);
      } else if (key == "fortran_order" && !order) {
        order = true;
        header.fortran = boolean();
      } else if (key == "shape" && !shape) {
        shape = true;
        read_shape(header.shape);
      } else {
        bad("its header has an unknown or repeated key");
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) bad("text follows its header");
    if (!descr || !order || !shape) bad("its header lacks a key");
    return header;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) bad(cat("its header lacks a '", c, "'"));
  }
  Text string() {
    skip_space();
    if (at_ == text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) bad("its header lacks a string");
    const char quote = text_[at_++];
    const size_t end = text_.find(quote, at_);
    if (end == Text::npos) bad("a string in its header does not end");
    const Text found = text_.substr(at_, end - at_);
    at_ = end + 1;
    return found;
  }
  bool boolean() {
    skip_space();
    for (const auto& [word, value] : {std::pair{Text("True"), true}, {Text("False"), false}})
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    bad("fortran_order is neither True nor False");
  }
  int64_t number() {
    skip_space();
    int64_t value = 0;
    const size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
          __builtin_add_overflow(value, int64_t{text_[at_] - '0'}, &value))
        bad("a number in its header is too large");
    if (at_ == begin) bad("its header lacks a number");
    return value;
  }
  void read_shape(Shape& shape) {
    expect('(');
    while (!take(')')) {
      if (shape.size() == max_rank) bad("it has too many dimensions");
      shape.push_back(number());
      take('L');
      if (!take(',')) {
        expect(')');
        break;
      }
    }
  }
  void read_descr(Header& header) {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') bad("structured elements are not supported");
    Text text = string();
    if (!text.empty() && (text[0] == '<' || text[0] == '>' || text[0] == '|' || text[0] == '=')) {
      header.order = text[0];
      text.remove_prefix(1);
    }
    if (text == "?") text = "b1";
    if (text.size() < 2) bad("its element type is not known");
    header.letter = text[0];
    HeaderReader digits(text.substr(1));
    header.size = digits.number();
    if (digits.at_ != digits.text_.size()) bad("its element type is not known");
  }

  Text text_;
  size_t at_ = 0;
};

void append_utf8(std::string& out, uint32_t code) {
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) bad("a string holds what is not a character");
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 63));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 63));
    out += static_cast<char>(0x80 | (code & 63));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 63));
    out += static_cast<char>(0x80 | (code >> 6 & 63));
    out += static_cast<char>(0x80 | (code & 63));
  }
}

// The code points of UTF-8 text; bytes that are not UTF-8 count as characters of their own.
std::vector<uint32_t> code_points(Text text) {
  std::vector<uint32_t> codes;
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
    uint32_t code = length == 1 ? first : first & (0x7fu >> length);
    bool valid = length && i + length <= text.size();
    for (size_t k = 1; valid && k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      valid = next >> 6 == 2;
      code = code << 6 | (next & 63u);
    }
    codes.push_back(valid ? code : first);
    i += valid ? length : 1;
  }
  return codes;
}

// Where each element of a column-major file goes in rows.
std::vector<int64_t> row_positions(const Shape& shape) {
  const size_t rank = shape.size();
  std::vector<int64_t> strides(rank, 1), index(rank, 0);
  for (size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  std::vector<int64_t> positions(static_cast<size_t>(shape.elements()));
  int64_t at = 0;
  for (int64_t& position : positions) {
    position = at;
    for (size_t axis = 0; axis < rank; ++axis) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return positions;
}

// Copies one element of `parts` numbers (two for complex), turning bytes around if asked.
void copy_element(const std::byte* from, std::byte* to, size_t bytes, size_t parts, bool swap) {
  std::memcpy(to, from, bytes);
  if (!swap) return;
  const size_t part = bytes / parts;
  for (size_t i = 0; i < parts; ++i) std::reverse(to + i * part, to + (i + 1) * part);
}

std::string read_string(const Header& header, const std::byte* from, bool swap) {
  std::string text;
  if (header.letter == 'S') {
    text.assign(reinterpret_cast<const char*>(from), static_cast<size_t>(header.size));
    text.erase(text.find_last_not_of('\0') + 1);
    return text;
  }
  size_t trailing = 0;
  for (int64_t i = 0; i < header.size; ++i) {
    uint32_t code = 0;
    copy_element(from + i * 4, reinterpret_cast<std::byte*>(&code), 4, 1, swap);
    append_utf8(text, code);
    if (code) trailing = text.size();
  }
  text.resize(trailing);
  return text;
}

}  // namespace

Tensor parse_npy(List<std::byte> bytes) {
  const Text text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(magic) || text.size() < 10) bad("it does not begin as one");
  const int version = text[6];
  if (version < 1 || version > 3) bad("its version is not known");
  const size_t prefix = version == 1 ? 10 : 12;
  if (text.size() < prefix) bad("it ends in its header");
  size_t length = 0;
  for (size_t i = 8; i < prefix; ++i)
    length |= static_cast<size_t>(static_cast<unsigned char>(text[i])) << (8 * (i - 8));
  if (length > max_header || length > text.size() - prefix) bad("it ends in its header");
  const Header header = HeaderReader(text.substr(prefix, length)).read();

  const bool is_text = header.letter == 'U' || header.letter == 'S';
  const auto* found = std::find_if(std::begin(npy_types), std::end(npy_types), [&](const NpyType& t) {
    return t.letter == header.letter && t.bytes == header.size;
  });
  if (!is_text && found == std::end(npy_types))
    bad(cat("elements of type ", header.letter, header.size, " are not supported"));
  const List<std::byte> data = bytes.subspan(prefix + length);
  int64_t element_bytes = header.size, wanted = 0;
  if (header.letter == 'U' && __builtin_mul_overflow(header.size, int64_t{4}, &element_bytes))
    bad("its strings are too long");
  const int64_t count = header.shape.elements();
  if (__builtin_mul_overflow(count, element_bytes, &wanted) || wanted > static_cast<int64_t>(data.size()))
    bad(cat("its shape ", header.shape, " needs more bytes than the ", data.size(), " that follow its header"));
  // Strings of no characters take no bytes in the file, but do in memory.
  if (is_text && count > (int64_t{1} << 24)) bad("it has too many strings");

  const bool swap = header.order == '>';
  Tensor tensor = Tensor::make({is_text ? DType::string : found->dtype, header.shape});
  const std::vector<int64_t> positions = header.fortran ? row_positions(header.shape) : std::vector<int64_t>{};
  const auto size = static_cast<size_t>(element_bytes);
  if (!is_text && !swap && !header.fortran) {
    if (wanted) std::memcpy(tensor.bytes.get(), data.data(), static_cast<size_t>(wanted));
  } else {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t to = header.fortran ? positions[static_cast<size_t>(i)] : i;
      const std::byte* from = data.data() + static_cast<size_t>(i) * size;
      if (is_text)
        tensor.as<String>()[to] = read_string(header, from, swap);
      else
        copy_element(from, tensor.bytes.get() + static_cast<size_t>(to) * size, size, header.letter == 'c' ? 2 : 1,
                     swap);
    }
  }
  if (tensor.type.dtype == DType::boolean)
    for (int64_t i = 0; i < count; ++i) tensor.as<uint8_t>()[i] = tensor.as<uint8_t>()[i] != 0;
  return tensor;
}

Tensor read_npy(const std::filesystem::path& path) {
  const upscale::Bytes bytes = upscale::read_file(path);
  try {
    return parse_npy(bytes);
  } catch (const Error& error) {
    throw Error(error.kind(), cat(path.string(), ": ", error.what()));
  }
}

Tensor convert(const Tensor& tensor, DType dtype) {
  const auto plain = [](DType t) { return t != DType::string && t != DType::complex64 && t != DType::complex128; };
  if (!plain(dtype) || !plain(tensor.type.dtype))
    fail(Error::Kind::type, "cannot make ", name_of(dtype), " of ", name_of(tensor.type.dtype));
  Tensor made = Tensor::make({dtype, tensor.type.shape});
  const int64_t count = tensor.type.shape.elements();
  for (int64_t i = 0; i < count; ++i) set_element(made.view(), i, element_as_double(tensor.view(), i));
  return made;
}

std::string format_npy(const Tensor& given) {
  Tensor tensor = given;
  switch (given.type.dtype) {
    case DType::bfloat16:
    case DType::float8e4m3fn:
    case DType::float8e4m3fnuz:
    case DType::float8e5m2:
    case DType::float8e5m2fnuz:
    case DType::float8e8m0:
    case DType::float4e2m1: tensor = convert(given, DType::float32); break;
    case DType::int4:
    case DType::int2: tensor = convert(given, DType::int8); break;
    case DType::uint4:
    case DType::uint2: tensor = convert(given, DType::uint8); break;
    default: break;
  }
  const int64_t count = tensor.type.shape.elements();
  std::string data, descr;
  if (tensor.type.dtype == DType::string) {
    std::vector<std::vector<uint32_t>> codes;
    size_t longest = 1;
    for (int64_t i = 0; i < count; ++i) {
      codes.push_back(code_points(tensor.as<String>()[i]));
      longest = std::max(longest, codes.back().size());
    }
    for (std::vector<uint32_t>& text : codes) {
      text.resize(longest);
      data.append(reinterpret_cast<const char*>(text.data()), longest * 4);
    }
    descr = cat("<U", longest);
  } else {
    const auto* found = std::find_if(std::begin(npy_types), std::end(npy_types),
                                     [&](const NpyType& t) { return t.dtype == tensor.type.dtype; });
    if (found == std::end(npy_types))
      fail(Error::Kind::type, name_of(tensor.type.dtype), " has no place in a .npy file");
    data.assign(tensor.as<const char>(), static_cast<size_t>(count) * static_cast<size_t>(found->bytes));
    descr = cat(found->bytes == 1 ? '|' : '<', found->letter, found->bytes);
  }
  std::string shape;
  for (const int64_t dim : tensor.type.shape) shape += cat(dim, ", ");
  if (tensor.type.shape.size() > 1) shape.resize(shape.size() - 2);
  if (tensor.type.shape.size() == 1) shape.pop_back();
  std::string header = cat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", shape, "), }");
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string out(magic);
  out += '\x01';
  out += '\0';
  out += static_cast<char>(header.size() & 255);
  out += static_cast<char>(header.size() >> 8);
  return out + header + data;
}

void write_npy(const std::filesystem::path& path, const Tensor& tensor) { write_file(path, format_npy(tensor)); }

void write_file(const std::filesystem::path& path, Text bytes) {
  upscale::write_file(path, std::as_bytes(List<char>(bytes)));
}

std::string read_text(const std::filesystem::path& path) {
  const upscale::Bytes bytes = upscale::read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tessera::tools
