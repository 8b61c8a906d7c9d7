// What a model says of itself.
#include "bindings/onnxruntime/table.h"

namespace tessera::ort {

ModelMetadata read_metadata(const tessera_session* session) {
  tessera_model model;
  TESSERA_INIT(&model);
  check(tessera_session_model(session, &model));
  ModelMetadata metadata{model.producer_name,
                         model.graph_name,
                         model.domain,
                         model.description,
                         model.graph_description,
                         model.version,
                         {}};
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
