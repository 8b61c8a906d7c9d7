#include "runtime/onnx/weights.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "runtime/graph/booleans.h"

namespace tessera::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "ONNX stores elements in little-endian order");

// Misaligned tensors up to this size are copied while loading: shapes, scales and the like, which
// many readers look into.
constexpr int64_t small_tensor_bytes = 64 << 10;

// Each copy may make two megabytes of the file resident.
constexpr unsigned copies_per_drop = 16;

constexpr size_t read_ahead = 64;

/// The typed list that holds a dtype's elements.
enum class Field { none, floats, ints32, ints64, doubles, uints64, strings };

Field field_of(DType type) {
  switch (type) {
    case DType::undefined: return Field::none;
    case DType::float32:
    case DType::complex64: return Field::floats;
    case DType::int64: return Field::ints64;
    case DType::float64:
    case DType::complex128: return Field::doubles;
    case DType::uint32:
    case DType::uint64: return Field::uints64;
    case DType::string: return Field::strings;
    default: return Field::ints32;
  }
}

template <class T, class From>
void store_all(const Packed<From>& list, const Tensor& tensor) {
  T* out = tensor.as<T>();
  list.each([&](From value) { *out++ = static_cast<T>(value); });
}

std::string label(const proto::Tensor& proto) {
  return proto.name.empty() ? "a tensor" : cat("tensor \"", proto.name.substr(0, 200), '"');
}

uint64_t parse_number(Text text, Text what) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > uint64_t{1} << 62)
    fail(Error::Kind::model, "external data ", what, " \"", text.substr(0, 50), "\" is not a size in bytes");
  return value;
}

}  // namespace

DType dtype_of(int32_t number) {
  if (number == 0) fail(Error::Kind::model, "has no data type");
  if (number < 0 || number >= dtype_count)
    fail(Error::Kind::model, "has data type ", number, ", which this version does not know");
  return static_cast<DType>(number);
}

void Weights::charge(int64_t& spent, int64_t bytes, int64_t limit, Text what) const {
  if (bytes > limit - spent) fail(Error::Kind::memory, what, " would take more than the limit of ", limit, " bytes");
  spent += bytes;
}

Shape Weights::shape_of(const Packed<int64_t>& dims) const {
  if (dims.count() > static_cast<size_t>(limits_.rank))
    fail(Error::Kind::model, "has ", dims.count(), " dimensions; the limit is ", limits_.rank);
  Shape shape(dims.values());
  for (const int64_t dim : shape)
    if (dim < 0) fail(Error::Kind::model, "has a negative extent: ", dim);
  return shape;
}

Type Weights::type_of(const proto::Tensor& proto) const {
  Type type{dtype_of(proto.data_type), shape_of(proto.dims)};
  type.bytes();  // throws where the product overflows
  return type;
}

Tensor Weights::decoded(const Type& type) {
  charge(decoded_bytes_, type.bytes(), limits_.decoded_bytes, "decoding the model's tensors");
  return Tensor::make(type);
}

Tensor Weights::dense(const proto::Tensor& proto) try {
  if (proto.segment) fail(Error::Kind::unsupported, "is stored in segments");
  const Type type = type_of(proto);
  const bool lists = !proto.float_data.empty() || !proto.int32_data.empty() || !proto.string_data.empty() ||
                     !proto.int64_data.empty() || !proto.double_data.empty() || !proto.uint64_data.empty();
  const bool raw = proto.raw_data && !proto.raw_data->empty();
  if (proto.data_location == 1) {
    if (lists || raw) fail(Error::Kind::model, "has data both here and in another file");
    if (type.dtype == DType::string) fail(Error::Kind::model, "holds strings, which cannot be external");
    std::shared_ptr<const void> owner;
    const Text bytes = external(proto, static_cast<uint64_t>(type.bytes()), owner);
    return from_raw(type, bytes, std::move(owner));
  }
  if (proto.data_location != 0) fail(Error::Kind::model, "has an unknown data location ", proto.data_location);
  if (raw && lists) fail(Error::Kind::model, "has both raw and typed data");
  if (raw && type.dtype == DType::string) fail(Error::Kind::model, "holds strings, which cannot be raw data");
  if (raw || (proto.raw_data && !lists && type.dtype != DType::string))
    return from_raw(type, *proto.raw_data, source_.owner);
  return from_lists(proto, type);
} catch (const Error& error) {
  throw Error(error.kind(), cat(label(proto), " ", error.what()));
}

Tensor Weights::from_raw(const Type& type, Text bytes, std::shared_ptr<const void> owner) {
  const int64_t expected = type.bytes();
  if (static_cast<uint64_t>(expected) != bytes.size())
    fail(Error::Kind::model, "of type ", type, " needs ", expected, " bytes, but has ", bytes.size());
  if (!expected) return Tensor::make(type);
  const View view{type, reinterpret_cast<std::byte*>(const_cast<char*>(bytes.data()))};
  const bool sound = are_booleans(view);
  // Vector code may read a little past the last element; a mapped file has room behind it.
  const bool at_the_end = !source_.file && !source_.bytes.empty() &&
                          bytes.data() + bytes.size() + read_ahead > source_.bytes.data() + source_.bytes.size();
  if (owner && sound && !at_the_end) {
    Tensor alias{type, std::shared_ptr<std::byte>(std::move(owner), view.data)};
    if (alias.is_aligned() || expected > small_tensor_bytes) return alias;
  }
  Tensor tensor = decoded(type);
  std::memcpy(tensor.bytes.get(), bytes.data(), bytes.size());
  if (++copies_ % copies_per_drop == 0) drop_pages();
  if (!sound) make_booleans(tensor.view());
  return tensor;
}

Tensor Weights::from_lists(const proto::Tensor& proto, const Type& type) {
  const DType dtype = type.dtype;
  const Field field = field_of(dtype);
  const bool complex = dtype == DType::complex64 || dtype == DType::complex128;
  // Packed 4- and 2-bit elements come as whole bytes, complex ones as pairs.
  const int64_t expected = bits_of(dtype) < 8 ? type.bytes() : type.shape.elements() * (complex ? 2 : 1);
  const size_t given = field == Field::floats    ? proto.float_data.count()
                       : field == Field::ints32  ? proto.int32_data.count()
                       : field == Field::ints64  ? proto.int64_data.count()
                       : field == Field::doubles ? proto.double_data.count()
                       : field == Field::uints64 ? proto.uint64_data.count()
                                                 : proto.string_data.size();
  if (static_cast<uint64_t>(expected) != given)
    fail(Error::Kind::model, "of type ", type, " needs ", expected, " elements, but has ", given);
  // Packed floats are raw data by another name.
  const auto fixed = [&](const PackedBytes& list) {
    return from_raw(type, list.bytes(), list.is_view() ? source_.owner : nullptr);
  };
  if (field == Field::floats) return fixed(proto.float_data);
  if (field == Field::doubles) return fixed(proto.double_data);
  Tensor tensor = decoded(type);
  if (field == Field::strings) {
    std::copy(proto.string_data.begin(), proto.string_data.end(), tensor.as<String>());
  } else if (field == Field::ints64) {
    store_all<int64_t>(proto.int64_data, tensor);
  } else if (field == Field::uints64) {
    if (dtype == DType::uint64)
      store_all<uint64_t>(proto.uint64_data, tensor);
    else
      store_all<uint32_t>(proto.uint64_data, tensor);
  } else if (dtype == DType::boolean) {
    store_all<bool>(proto.int32_data, tensor);
  } else if (bits_of(dtype) <= 8) {
    store_all<uint8_t>(proto.int32_data, tensor);
  } else if (bits_of(dtype) == 16) {
    store_all<uint16_t>(proto.int32_data, tensor);
  } else {
    store_all<int32_t>(proto.int32_data, tensor);
  }
  return tensor;
}

Text Weights::external(const proto::Tensor& proto, uint64_t bytes, std::shared_ptr<const void>& owner) {
  if (!source_.directory)
    fail(Error::Kind::model, "lies in another file, which a model in memory cannot name: load it from its path");
  Text location;
  uint64_t offset = 0, length = bytes;
  for (const proto::StringPair& entry : proto.external_data) {
    if (entry.key == "location") location = entry.value;
    if (entry.key == "offset") offset = parse_number(entry.value, "offset");
    if (entry.key == "length") length = parse_number(entry.value, "length");
  }
  if (length != bytes) fail(Error::Kind::model, "needs ", bytes, " bytes, but its external data has ", length);
  auto file = files_.find(location);
  if (file == files_.end())
    file =
        files_.emplace(location, MappedFile::open_beneath(*source_.directory, location, source_.linked, source_.copy))
            .first;
  const List<std::byte> all = file->second->bytes();
  if (length > all.size() || offset > all.size() - length)
    fail(Error::Kind::model, "needs bytes ", offset, " to ", offset + length, " of \"", location, "\", which has ",
         all.size(), ": the file is truncated or belongs to another model; download it again");
  owner = file->second;
  return {reinterpret_cast<const char*>(all.data()) + offset, length};
}

Tensor Weights::sparse(const proto::SparseTensor& proto) {
  if (!proto.values || !proto.indices) fail(Error::Kind::model, "a sparse tensor lacks its values or indices");
  const Tensor values = dense(*proto.values).aligned(), indices = dense(*proto.indices).aligned();
  try {
    const Type type{values.type.dtype, shape_of(proto.dims)};
    const auto rank = static_cast<int64_t>(type.shape.size());
    if (values.type.shape.size() != 1) fail(Error::Kind::model, "has values of shape ", values.type.shape);
    const int64_t count = values.type.shape[0];
    if (bits_of(type.dtype) < 8) fail(Error::Kind::unsupported, "is of packed type ", name_of(type.dtype));
    const bool flat = indices.type.shape == Shape{count};
    if (indices.type.dtype != DType::int64 || (!flat && indices.type.shape != Shape{count, rank}))
      fail(Error::Kind::model, "has indices ", indices.type, " for ", count, " values of rank ", rank);
    const int64_t elements = type.shape.elements();
    charge(sparse_bytes_, type.bytes(), limits_.sparse_bytes, "densifying the model's sparse tensors");
    Tensor tensor = Tensor::make(type);
    const auto* at = indices.as<const int64_t>();
    const auto size = static_cast<size_t>(bits_of(type.dtype) / 8);
    for (int64_t i = 0; i < count; ++i) {
      int64_t position = flat ? at[i] : 0;
      if (flat && (position < 0 || position >= elements))
        fail(Error::Kind::model, "has index ", position, " outside ", type);
      for (int64_t axis = 0; !flat && axis < rank; ++axis) {
        const int64_t index = at[i * rank + axis], extent = type.shape[static_cast<size_t>(axis)];
        if (index < 0 || index >= extent)
          fail(Error::Kind::model, "has index ", index, " outside axis ", axis, " of ", type);
        position = position * extent + index;
      }
      if (type.dtype == DType::string)
        tensor.as<String>()[position] = values.as<const String>()[i];
      else
        std::memcpy(tensor.bytes.get() + static_cast<size_t>(position) * size,
                    values.bytes.get() + static_cast<size_t>(i) * size, size);
    }
    return tensor;
  } catch (const Error& error) {
    throw Error(error.kind(), cat("sparse ", label(*proto.values), " ", error.what()));
  }
}

}  // namespace tessera::onnx
