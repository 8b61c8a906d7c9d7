#include "runtime/onnx/load.h"

#include <algorithm>

#include "runtime/onnx/builder.h"

namespace tessera::onnx {
namespace {

Text text_of(List<std::byte> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// Names in a hostile file must not reach a terminal as control characters.
std::string printable(std::string text) {
  for (char& c : text)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f) c = '?';
  return text;
}

template <class F>
auto named(const std::string& name, F&& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw Error(error.kind(), printable(cat(name, ": ", error.what())));
  }
}

// What other files begin with, from `at` on, and what to do. None is how an ONNX model begins.
struct KindOfFile {
  size_t at;
  Text magic, what;
};
constexpr Text convert = ": tessera reads ONNX; export or convert the model to it";
constexpr KindOfFile foreign_kinds[] = {
    {0, "version https://git-lfs", "a Git LFS pointer, not the model: fetch the model with \"git lfs pull\""},
    {0, "<!DOCTYPE", "a web page, not a model: download the file itself"},
    {0, "<html", "a web page, not a model: download the file itself"},
    {0, "<?xml", "an XML file, as OpenVINO's"},
    {0, "PK\x03\x04", "a ZIP archive or a PyTorch checkpoint (.pth, .pt)"},
    {0, "\x80\x02\x8a\x0a", "a Python pickle, as old PyTorch checkpoints (.pth, .pt)"},
    {0, "7767517\n", "an ncnn model (.param)"},
    {0, "7767517\r", "an ncnn model (.param)"},
    {0, "\x47\x6b\x30\x01", "the weights of an ncnn model (.bin)"},
    {0, Text("\0\0\0\0", 4), "plain numbers, as the weights of ncnn or OpenVINO models (.bin)"},
    {2, Text("\0\0ORTM", 6), "an ORT model (.ort)"},
    {2, Text("\0\0TFL3", 6), "a TensorFlow Lite model (.tflite)"},
    {4, Text("\0\0\0\0{\"", 6), "a safetensors file, which has weights and no graph"},
    {0, "GGUF", "a GGUF file, which has weights and no graph"},
    {0, "\x89HDF\r\n", "an HDF5 file, as Keras models (.h5)"},
    {0, "\x93NUMPY", "a NumPy array (.npy)"},
    {0, "\x1f\x8b", "compressed with gzip: unpack it first"},
    {1, "7zXZ", "compressed with xz: unpack it first"},
    {0, "\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"},
    {0, "BZh", "compressed with bzip2: unpack it first"},
    {0, "7z\xbc\xaf", "a 7z archive: unpack it first"},
    {0, "\x89PNG", "a picture"},
    {0, "\xff\xd8\xff", "a picture"},
};

// Common things that are mistaken for a model.
void check_kind_of_file(Text bytes) {
  if (bytes.empty()) fail(Error::Kind::model, "the file is empty: download it again");
  for (const KindOfFile& kind : foreign_kinds)
    if (bytes.size() > kind.at && bytes.substr(kind.at).starts_with(kind.magic))
      fail(Error::Kind::model, "this is ", kind.what, kind.what.find(':') == Text::npos ? convert : "");
}

Loaded load_from(Source source, List<std::byte> bytes, const Limits& limits,
                 std::shared_ptr<const Operators> operators) {
  const std::string name = source.name;
  return named(name, [&] {
    check_kind_of_file(text_of(bytes));
    Weights weights(std::move(source), limits);
    Strings strings;
    const auto model = proto::read<proto::Model>(text_of(bytes), {strings, [&] { weights.drop_pages(); }});
    Loaded loaded = build(*model, weights, limits, std::move(operators));
    weights.drop_pages();
    loaded.model.path = name;
    return loaded;
  });
}

Datum datum_of(const proto::Tensor& tensor, Weights& weights) {
  Datum datum;
  datum.tensor = weights.dense(tensor).aligned();
  return datum;
}

Datum datum_of(const proto::SparseTensor& tensor, Weights& weights) {
  Datum datum;
  datum.tensor = weights.sparse(tensor);
  return datum;
}

// These call each other for nested containers, as deep as the wire parser allows.
Datum datum_of(const proto::Sequence& sequence, Weights& weights);
Datum datum_of(const proto::Map& map, Weights& weights);
Datum datum_of(const proto::Optional& optional, Weights& weights);

Datum datum_of(const proto::Sequence& sequence, Weights& weights) {
  Datum datum;
  datum.kind = Kind::sequence;
  const auto add = [&](const auto& list) {
    for (const auto& item : list) datum.items.push_back(datum_of(item, weights));
  };
  add(sequence.tensor_values);
  add(sequence.sparse_tensor_values);
  add(sequence.sequence_values);
  add(sequence.map_values);
  add(sequence.optional_values);
  if (!datum.items.empty() && datum.items[0].kind == Kind::tensor) datum.element = datum.items[0].tensor.type.dtype;
  return datum;
}

Datum datum_of(const proto::Map& map, Weights& weights) {
  Datum datum;
  datum.kind = Kind::map;
  if (!map.string_keys.empty()) {
    datum.keys = Tensor::make({DType::string, {static_cast<int64_t>(map.string_keys.size())}});
    std::copy(map.string_keys.begin(), map.string_keys.end(), datum.keys.as<String>());
  } else {
    datum.keys = Tensor::of(map.keys.values());
  }
  if (map.values) datum.items = datum_of(*map.values, weights).items;
  if (static_cast<int64_t>(datum.items.size()) != datum.keys.type.shape[0])
    fail(Error::Kind::model, "a map has ", datum.keys.type.shape[0], " keys, but ", datum.items.size(), " values");
  return datum;
}

Datum datum_of(const proto::Optional& optional, Weights& weights) {
  Datum datum;
  datum.kind = Kind::optional;
  const auto add = [&](const auto& value) {
    if (value) datum.items.push_back(datum_of(*value, weights));
  };
  add(optional.tensor_value);
  add(optional.sparse_tensor_value);
  add(optional.sequence_value);
  add(optional.map_value);
  add(optional.optional_value);
  if (datum.items.size() > 1) fail(Error::Kind::model, "an optional holds more than one value");
  return datum;
}

}  // namespace

Loaded load(const std::string& path, const Limits& limits, std::shared_ptr<const Operators> operators, bool copy) {
  const auto file = MappedFile::open(path, copy);
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  return load_from({path, file, text_of(file->bytes()), file, directory, MappedFile::linked_folder(path), copy},
                   file->bytes(), limits, std::move(operators));
}

Loaded load(List<std::byte> bytes, std::shared_ptr<const void> owner, const std::string& name, const Limits& limits,
            std::shared_ptr<const Operators> operators) {
  return load_from({name, std::move(owner), text_of(bytes), nullptr, std::nullopt}, bytes, limits,
                   std::move(operators));
}

Tensor load_tensor(List<std::byte> bytes, const std::string& name) {
  return named(name, [&] {
    Weights weights({name, nullptr, {}, nullptr, std::nullopt}, {});
    Strings strings;
    const ParseContext context{strings};
    return weights.dense(*proto::read<proto::Tensor>(text_of(bytes), context));
  });
}

Datum load_datum(List<std::byte> bytes, Kind kind, const std::string& name) {
  return named(name, [&] {
    Weights weights({name, nullptr, {}, nullptr, std::nullopt}, {});
    Strings strings;
    const ParseContext context{strings};
    if (kind == Kind::tensor) return datum_of(*proto::read<proto::Tensor>(text_of(bytes), context), weights);
    if (kind == Kind::sequence) return datum_of(*proto::read<proto::Sequence>(text_of(bytes), context), weights);
    if (kind == Kind::optional) return datum_of(*proto::read<proto::Optional>(text_of(bytes), context), weights);
    fail(Error::Kind::unsupported, "a file cannot hold a map of its own");
  });
}

}  // namespace tessera::onnx
