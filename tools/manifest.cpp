#include "tools/manifest.h"

#include <cctype>
#include <nlohmann/json.hpp>

#include "runtime/base/machine_memory.h"
#include "runtime/base/mapped_file.h"
#include "tools/npy.h"
#include "upscale/identity.h"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

template <class T>
void read(const nlohmann::json& json, const char* key, T& value) {
  if (const auto found = json.find(key); found != json.end()) found->get_to(value);
}

}  // namespace

Manifest read_manifest(const fs::path& path) {
  Manifest manifest;
  manifest.path = path;
  try {
    const nlohmann::json json = nlohmann::json::parse(read_text(path));
    if (!json.is_object()) fail(Error::Kind::usage, path.string(), ": a manifest is one JSON object");
    read(json, "name", manifest.name);
    read(json, "author", manifest.author);
    read(json, "license", manifest.licence);
    read(json, "licence", manifest.licence);
    read(json, "scale", manifest.scale);
    read(json, "range", manifest.range);
    read(json, "range_out", manifest.range_out);
    read(json, "channels", manifest.channels);
    read(json, "output", manifest.output);
    for (const nlohmann::json& entry : json.value("files", nlohmann::json::array())) {
      Manifest::Variant variant;
      read(entry, "file", variant.file);
      read(entry, "device", variant.device);
      read(entry, "checksum", variant.checksum);
      read(entry, "memory", variant.memory);
      if (variant.file.empty() || fs::path(variant.file).has_parent_path())
        fail(Error::Kind::usage, path.string(), ": each of \"files\" has a \"file\", a name in the manifest's folder");
      manifest.files.push_back(std::move(variant));
    }
  } catch (const nlohmann::json::exception& error) {
    fail(Error::Kind::usage, path.string(), ": is no manifest: ", error.what());
  }
  if (!manifest.channels.empty() && manifest.channels != "rgb" && manifest.channels != "bgr")
    fail(Error::Kind::usage, path.string(), ": \"channels\" is rgb or bgr, not ", manifest.channels);
  return manifest;
}

std::optional<Manifest> manifest_beside(const fs::path& model) {
  const std::string stem = model.stem().string();
  std::error_code error;
  for (size_t length = stem.size(); length > 0; --length) {
    if (length < stem.size() && std::isalnum(static_cast<unsigned char>(stem[length]))) continue;
    const fs::path path = model.parent_path() / (stem.substr(0, length) + ".json");
    if (fs::is_regular_file(path, error)) return read_manifest(path);
  }
  return std::nullopt;
}

std::string file_for(const Manifest& manifest, const std::string& device) {
  const std::string kind = device.starts_with("vulkan") ? "vulkan" : "cpu";
  for (const Manifest::Variant& variant : manifest.files) {
    if (!variant.device.empty() && variant.device != kind) continue;
    if (variant.memory > available_memory() >> 20) continue;
    std::string path = (manifest.path.parent_path() / variant.file).string();
    if (!variant.checksum.empty() && upscale::identity_of(MappedFile::open(path)->bytes()) != variant.checksum)
      fail(Error::Kind::file, path, ": is not the file that ", manifest.path.filename().string(),
           " was written for: its checksum differs");
    return path;
  }
  fail(Error::Kind::file, manifest.path.string(), ": none of its files is for ", kind, " and the memory that is free");
}

void apply(const Manifest& manifest, upscale::ConventionOptions& options) {
  if (options.in.empty() && !manifest.range.empty()) {
    options.in = upscale::parse_levels(manifest.range);
    if (options.out.empty() && !manifest.range_out.empty()) options.out = upscale::parse_levels(manifest.range_out);
  }
  if (!options.order_known && !manifest.channels.empty()) {
    options.order_known = true;
    options.bgr = manifest.channels == "bgr";
  }
  if (options.output.empty()) options.output = manifest.output;
}

}  // namespace tessera::tools
