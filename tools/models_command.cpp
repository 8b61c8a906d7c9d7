// tessera models: the upscalers in some folders, and what is known of them.
#include <algorithm>
#include <iostream>

#include "runtime/base/mapped_file.h"
#include "tools/manifest.h"
#include "tools/options.h"
#include "upscale/identity.h"
#include "upscale/tiler.h"

namespace tessera::tools {
namespace {

namespace fs = std::filesystem;

struct Listed {
  std::string name, file, scale, colors, size, licence, note;
  nlohmann::json json;
};

Listed list(const std::string& path) {
  const upscale::BundledModel* bundled = upscale::bundled_model(path);
  Listed listed{bundled ? path : fs::path(path).stem().string(), bundled ? "" : path, "", "", "", "", "", {}};
  List<std::byte> bytes;
  std::shared_ptr<const MappedFile> mapped;
  try {
    std::optional<Manifest> manifest;
    if (bundled) {
      bytes = bundled->bytes;
    } else {
      mapped = MappedFile::open(path);
      bytes = mapped->bytes();
      manifest = manifest_beside(path);
    }
    listed.size = bytes_text(static_cast<int64_t>(bytes.size()));
    listed.json["bytes"] = bytes.size();
    listed.json["checksum"] = upscale::identity_of(bytes);
    if (mapped) mapped->drop_pages();
    upscale::ConventionOptions said;
    if (manifest) {
      if (!manifest->name.empty()) listed.name = manifest->name;
      listed.licence = manifest->licence;
      listed.json["author"] = manifest->author;
      apply(*manifest, said);
    }
    upscale::ModelOptions options;
    options.device = "cpu";
    std::string note, device;
    const auto model = upscale::open_upsampler(path, options, &interrupted(), note, device);
    for (const auto& [key, value] : model->metadata())
      if (listed.licence.empty() && (key == "licence" || key == "license")) listed.licence = value;
    const upscale::Knowledge found = upscale::know(*model, said);
    const upscale::Convention& c = found.convention;
    listed.scale = cat("x", c.scale);
    listed.colors = c.channels == 1 ? "luma" : c.channels == 3 ? "RGB" : "RGBA";
    listed.json["scale"] = c.scale;
    listed.json["unlike"] = found.unlike;
    if (manifest && manifest->scale > 0 && manifest->scale != c.scale)
      listed.note = cat("its manifest says x", manifest->scale);
    else
      listed.note = upscale::warning_of(found);
  } catch (const Error& error) {
    if (error.is_stop()) throw;
    const Text text = error.what();
    listed.note = text.substr(0, text.find('\n'));
  }
  listed.json.update(
      {{"name", listed.name}, {"file", listed.file}, {"licence", listed.licence}, {"note", listed.note}});
  return listed;
}

void models(const std::vector<std::string>& folders, bool json) {
  std::vector<std::string> paths;
  for (const std::string& folder : folders) {
    std::error_code error;
    if (fs::is_regular_file(folder, error) || upscale::bundled_model(folder)) {
      paths.push_back(folder);
      continue;
    }
    const size_t before = paths.size();
    const auto rights = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator at(folder, rights, error), end; !error && at != end; at.increment(error))
      if (at->path().extension() == ".onnx") paths.push_back(at->path().string());
    if (error) fail(Error::Kind::file, folder, ": ", error.message());
    if (paths.size() == before) fail(Error::Kind::file, folder, ": no .onnx files in it");
  }
  std::sort(paths.begin(), paths.end());
  if (folders.empty())
    for (const upscale::BundledModel& model : upscale::bundled_models()) paths.emplace_back(model.name);
  std::vector<std::vector<std::string>> rows;
  for (const std::string& path : paths) {
    const Listed listed = list(path);
    if (json)
      std::cout << text_of(listed.json) << std::endl;
    else
      rows.push_back({listed.name, listed.scale.empty() ? "-" : listed.scale, listed.colors, listed.size,
                      listed.licence, listed.note});
  }
  if (!json) print_table(rows, {false, false, false, true, false, false});
}

}  // namespace

void add_models(CLI::App& app, int&) {
  auto folders = std::make_shared<std::vector<std::string>>();
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("models", "List upscalers, with what is known of them");
  sub->add_option("FOLDER", *folders, "Folders of ONNX models, with all folders in them, or models (the bundled ones)");
  sub->add_flag("--json", *json, "One JSON object per model on standard output");
  sub->footer(R"(
Name, scale, colors, size and licence; where a model is no upscaler, why. A manifest beside a model, a.json for a.onnx,
is a JSON object with any of name, author, licence, scale, range, range_out, channels, output (as the options of upscale) and
files: a list of {file, device (cpu or vulkan), checksum, memory (MiB)}, of which upscale -m a.json takes the first that
fits. What was found out of a model is kept.

Examples:
  tessera models
  tessera models models/
  tessera models models/ --json)");
  sub->callback([folders, json] { models(*folders, *json); });
}

}  // namespace tessera::tools
