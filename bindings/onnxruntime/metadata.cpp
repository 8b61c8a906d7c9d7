// What a model's file says of itself. tessera's interface has most of it; names and descriptions are read here, from
// the fields of the file's outermost messages.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "bindings/onnxruntime/table.h"

namespace tessera::ort {
namespace {

struct Field {
  uint64_t number = 0, value = 0;
  std::string_view bytes;
};

/// Takes the next field from a message; false at its end, and where it is malformed.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  bool next(Field& field) {
    uint64_t key = 0;
    if (rest_.empty() || !varint(key)) return false;
    field = {key >> 3, 0, {}};
    switch (key & 7) {
      case 0: return varint(field.value);
      case 1: return take(8, field.bytes);
      case 2: return varint(field.value) && take(field.value, field.bytes);
      case 5: return take(4, field.bytes);
      default: return false;
    }
  }

 private:
  bool varint(uint64_t& value) {
    value = 0;
    for (size_t i = 0; i < 10 && i < rest_.size(); ++i) {
      const auto byte = static_cast<unsigned char>(rest_[i]);
      value |= static_cast<uint64_t>(byte & 127) << (7 * i);
      if (byte > 127) continue;
      rest_.remove_prefix(i + 1);
      return true;
    }
    return false;
  }
  bool take(uint64_t count, std::string_view& bytes) {
    if (count > rest_.size()) return false;
    bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return true;
  }

  std::string_view rest_;
};

void read_graph(std::string_view bytes, ModelMetadata& metadata) {
  Message graph(bytes);
  for (Field field; graph.next(field);) {
    if (field.number == 2) metadata.graph = field.bytes;
    if (field.number == 10) metadata.graph_description = field.bytes;
  }
}
void read_model(std::string_view bytes, ModelMetadata& metadata) {
  Message model(bytes);
  for (Field field; model.next(field);) {
    if (field.number == 2) metadata.producer = field.bytes;
    if (field.number == 4) metadata.domain = field.bytes;
    if (field.number == 5) metadata.version = static_cast<int64_t>(field.value);
    if (field.number == 6) metadata.description = field.bytes;
    if (field.number == 7) read_graph(field.bytes, metadata);
  }
}

/// A file's bytes, only looked at.
struct Mapped {
  explicit Mapped(const char* path) {
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    struct stat facts;
    if (::fstat(file, &facts) == 0 && facts.st_size > 0) {
      size = static_cast<size_t>(facts.st_size);
      data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    }
    ::close(file);
  }
  ~Mapped() {
    if (data != MAP_FAILED) ::munmap(data, size);
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  std::string_view bytes() const {
    return data == MAP_FAILED ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
  }

  void* data = MAP_FAILED;
  size_t size = 0;
};

}  // namespace

ModelMetadata read_metadata(const tessera_session* session, const char* path, const void* data, size_t bytes) {
  ModelMetadata metadata;
  if (path)
    read_model(Mapped(path).bytes(), metadata);
  else
    read_model({static_cast<const char*>(data), bytes}, metadata);
  tessera_model model;
  TESSERA_INIT(&model);
  check(tessera_session_model(session, &model));
  for (size_t i = 0; i < model.metadata_count; ++i) {
    const char *key = nullptr, *value = nullptr;
    check(tessera_session_metadata(session, i, &key, &value));
    metadata.custom[key] = value;
  }
  return metadata;
}

// --- The interface ---------------------------------------------------------------------------------

Status* SessionGetModelMetadata(const Session* session, ModelMetadata** out) {
  return guarded([&] {
    need(session, out);
    *out = new ModelMetadata(session->metadata);
  });
}
void ReleaseModelMetadata(ModelMetadata* metadata) { delete metadata; }
#define METADATA(function, member)                                                    \
  Status* function(const ModelMetadata* metadata, Allocator* allocator, char** out) { \
    return guarded([&] {                                                              \
      need(metadata, allocator, out);                                                 \
      *out = copy_text(allocator, metadata->member);                                  \
    });                                                                               \
  }
METADATA(ModelMetadataGetProducerName, producer)
METADATA(ModelMetadataGetGraphName, graph)
METADATA(ModelMetadataGetDomain, domain)
METADATA(ModelMetadataGetDescription, description)
METADATA(ModelMetadataGetGraphDescription, graph_description)
#undef METADATA
Status* ModelMetadataGetVersion(const ModelMetadata* metadata, int64_t* out) {
  return guarded([&] {
    need(metadata, out);
    *out = metadata->version;
  });
}
Status* ModelMetadataLookupCustomMetadataMap(const ModelMetadata* metadata, Allocator* allocator, const char* key,
                                             char** out) {
  return guarded([&] {
    need(metadata, allocator, key, out);
    const auto found = metadata->custom.find(key);
    *out = found == metadata->custom.end() ? nullptr : copy_text(allocator, found->second);
  });
}
Status* ModelMetadataGetCustomMetadataMapKeys(const ModelMetadata* metadata, Allocator* allocator, char*** out,
                                              int64_t* count) {
  return guarded([&] {
    need(metadata, allocator, out, count);
    *out = nullptr;
    *count = static_cast<int64_t>(metadata->custom.size());
    if (metadata->custom.empty()) return;
    char** keys = *out = static_cast<char**>(take(allocator, metadata->custom.size() * sizeof(char*)));
    for (const auto& entry : metadata->custom) *keys++ = copy_text(allocator, entry.first);
  });
}

}  // namespace tessera::ort
