// Manifest: what stands beside a model in a JSON file of its name: who made it, how it wants its pictures, and which of
// its files is for which device.
#pragma once

#include <filesystem>
#include <optional>

#include "upscale/convention.h"

namespace tessera::tools {

struct Manifest {
  /// One file of the model.
  struct Variant {
    std::string file;      ///< beside the manifest
    std::string device;    ///< "cpu" or "vulkan"; empty: any
    std::string checksum;  ///< as `tessera models --json` prints it; empty: not checked
    int64_t memory = 0;    ///< MiB that it needs
  };

  std::filesystem::path path;
  std::string name, author, licence;
  int64_t scale = 0;                       ///< 0: not said
  std::string range, range_out, channels;  ///< as the options of `tessera upscale`
  std::string output;                      ///< as --model-output
  std::vector<Variant> files;
};

/// Throws Error::usage that names the file where it is no manifest.
Manifest read_manifest(const std::filesystem::path& path);
/// The one beside a model: a.json for a.onnx, or for a-fp16.onnx where there is no closer name.
std::optional<Manifest> manifest_beside(const std::filesystem::path& model);
/// The first of its files that this device takes, with its checksum right. Throws Error::file where there is none.
std::string file_for(const Manifest& manifest, const std::string& device);
/// What the user left out, as the manifest says.
void apply(const Manifest& manifest, upscale::ConventionOptions& options);

}  // namespace tessera::tools
