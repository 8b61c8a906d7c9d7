// The C interface: tensors that stay in a device's memory between runs.
#include "runtime/session/c_api.h"
#include "runtime/session/devices.h"

using namespace tessera;
using namespace tessera::c_api;

struct tessera_buffer {
  mutable Buffer held;
  std::string device = held.resident ? std::string(held.resident->device()) : "cpu";
};

namespace {

tessera_status* make(tessera_buffer** buffer, const std::function<Buffer()>& open) {
  return guard([&] {
    require(buffer);
    *buffer = nullptr;
    *buffer = new tessera_buffer{open()};
  });
}

void check_bytes(const Buffer& buffer, size_t bytes) {
  if (static_cast<int64_t>(bytes) != buffer.type.bytes())
    fail(Error::Kind::usage, "the buffer is ", buffer.type, " and takes ", buffer.type.bytes(), " bytes, not ", bytes);
}

std::vector<End> ends_of(const tessera_buffer* const* buffers, size_t count) {
  if (count) require(buffers);
  std::vector<End> ends(count);
  for (size_t i = 0; i < count; ++i) {
    if (!buffers[i]) continue;
    const Buffer& held = buffers[i]->held;
    ends[i] = {{held.type, held.host.bytes.get()}, held.resident.get()};
  }
  return ends;
}

}  // namespace

tessera_status* tessera_buffer_create(const char* device, const tessera_tensor* type, int exported,
                                      tessera_buffer** buffer) {
  return make(buffer, [&] {
    require(device, type);
    return Buffer(device, type_of(*type, "buffer", 0), {exported != 0});
  });
}

tessera_status* tessera_buffer_create_around(const tessera_tensor* tensor, tessera_buffer** buffer) {
  return make(buffer, [&] {
    require(tensor);
    return Buffer(view_of(*tensor, "buffer", 0));
  });
}

tessera_status* tessera_buffer_import(const char* device, const tessera_tensor* type, int descriptor,
                                      tessera_buffer** buffer) {
  return make(buffer, [&] {
    require(device, type);
    if (descriptor < 0) fail(Error::Kind::usage, descriptor, " is no file descriptor");
    return Buffer(device, type_of(*type, "buffer", 0), {false, descriptor});
  });
}

tessera_status* tessera_buffer_descriptor(const tessera_buffer* buffer, int* descriptor) {
  return guard([&] {
    require(buffer, descriptor);
    *descriptor = -1;
    if (!buffer->held.resident) fail(Error::Kind::unsupported, "the host's memory has no file descriptor");
    *descriptor = buffer->held.resident->descriptor();
  });
}

void tessera_buffer_free(tessera_buffer* buffer) { delete buffer; }

tessera_status* tessera_buffer_get(const tessera_buffer* buffer, tessera_buffer_facts* facts) {
  return guard([&] {
    require(buffer);
    const Buffer& held = buffer->held;
    const auto bytes = static_cast<size_t>(held.type.bytes());
    tessera_buffer_facts told{sizeof told, buffer->device.c_str(), {}, 0, 0};
    told.tensor = {static_cast<tessera_dtype>(held.type.dtype), held.type.shape.size(), held.type.shape.data(),
                   held.host.bytes.get(), bytes};
    if (held.resident) {
      told.uploaded = held.resident->traffic.uploaded_bytes;
      told.downloaded = held.resident->traffic.downloaded_bytes;
    }
    write_struct(told, facts, "tessera_buffer_facts");
  });
}

tessera_status* tessera_buffer_write(tessera_buffer* buffer, const void* data, size_t bytes) {
  return guard([&] {
    require(buffer, bytes ? data : buffer);
    check_bytes(buffer->held, bytes);
    buffer->held.write(static_cast<const std::byte*>(data));
  });
}

tessera_status* tessera_buffer_read(const tessera_buffer* buffer, void* data, size_t bytes) {
  return guard([&] {
    require(buffer, bytes ? data : buffer);
    check_bytes(buffer->held, bytes);
    buffer->held.read(static_cast<std::byte*>(data));
  });
}

tessera_status* tessera_run_buffers(const tessera_session* session, const tessera_buffer* const* inputs,
                                    size_t input_count, tessera_buffer* const* outputs, size_t output_count,
                                    const tessera_run_options* options) {
  return guard([&] {
    require(session);
    const std::vector<End> in = ends_of(inputs, input_count), out = ends_of(outputs, output_count);
    for (size_t i = 0; i < output_count; ++i) {
      if (!outputs[i]) fail(Error::Kind::usage, "output ", i, " is NULL");
      if (std::count(inputs, inputs + input_count, outputs[i]))
        fail(Error::Kind::usage, "output ", i, " is an input, too: a run needs another buffer for it");
      if (std::count(outputs, outputs + output_count, outputs[i]) > 1)
        fail(Error::Kind::usage, "output ", i, " is there twice: each output needs a buffer of its own");
    }
    std::vector<Type> types;
    for (const End& end : in) types.push_back(end.view.type);
    told_run(session, options, types, [&](const RunOptions& how) { session->session.run_into(in, out, how); });
  });
}
