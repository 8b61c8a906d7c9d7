// What gpu_check does, as items of its stages.
#pragma once

#include "bench/gpu_check/stage.h"
#include "runtime/graph/backend.h"

namespace tessera::check {

struct Options {
  int device = 0;                   ///< the N of vulkan:N
  bool tiny = false;                ///< few small things, for a software renderer
  int64_t side = 48;                ///< of the pictures that models are checked with
  std::string networks;             ///< the folder of those of the table
  std::vector<std::string> models;  ///< more folders
  std::string torch;                ///< torch_peers.py
  std::string journal;
};

/// Writes the networks of the table.
std::vector<Item> write_networks(const Options& options);
std::vector<Item> facts(const Options& options);
std::vector<Item> known_answers(const Options& options);
/// Every case of tests/cases/ on the device, against the operator's reference.
std::vector<Item> cases(const Options& options, const std::string& precision);
/// Every model on the device, against the CPU.
std::vector<Item> models(const Options& options, const std::string& precision);
/// The table: the networks, with one input each.
std::vector<Item> table(const Options& options, const std::string& precision);
/// PyTorch beside it.
std::vector<Item> peers(const Options& options, double seconds);
/// Every device kernel that takes a layer of tests/cases/, by time stamps.
std::vector<Item> sweep(const Options& options, const std::string& precision);

/// Every tiling of products by matrix units, beside the one that is chosen: which of them a device wants.
std::vector<Item> tilings(const Options& options);

/// The device, opened by this process at its first call. Throws Error::device.
const std::shared_ptr<DeviceBackend>& device(const Options& options, const std::string& precision);

}  // namespace tessera::check
