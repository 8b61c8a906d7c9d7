// Vulkan as a backend. The loader and the drivers are found at run time; where one is missing,
// these functions say why instead of throwing.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/graph/backend.h"

namespace tessera::vulkan {

struct DeviceInfo {
  int index = 0;                  ///< the N of "vulkan:N"
  std::string name, driver, api;  ///< "NVIDIA H200", "NVIDIA 550.54", "1.3.277"
  bool cpu_type = false;          ///< a software renderer: used only when named
  int64_t memory = 0;             ///< bytes of its device-local heaps
  bool fp16 = false;              ///< values can be stored as float16
  bool coopmat = false;           ///< cooperative matrices, as Khronos defines them
  int subgroup_size = 0;
};

/// All devices that tessera could use. If there are none, `why_none` gets one line, unless null.
std::vector<DeviceInfo> devices(std::string* why_none);

/// Whether the system has a device node of some GPU: the render nodes of DRM, or those of drivers beside
/// it (NVIDIA, WSL, Mali, Adreno). Cheap, where asking the Vulkan loader loads every installed driver,
/// software renderers with their compilers included.
bool gpu_may_be_there();

/// Takes a line.
using Tell = std::function<void(const std::string&)>;

/// The backend on device `index`; -1: the first that is not of CPU type, discrete ones before
/// others. Null, and one line in `why_not`, if there is none.
/// `precision` fp16: values are stored as float16 where the device can and kernels do; other ones are fp32.
/// With `tunes`, what it compiles is tried in the ways that its kernels have, and the fastest are kept: see tuning.h.
/// It is told how far that is.
std::unique_ptr<DeviceBackend> make_backend(int index, std::string* why_not, Precision precision = Precision::fp32,
                                            Tell tunes = nullptr);

/// What a device has, beside what DeviceInfo says.
struct DeviceDetails {
  struct Heap {
    int64_t bytes = 0, budget = 0, used = 0;  ///< the last two by the driver; 0 where it does not tell
    bool own = false;                         ///< the device's, not the host's
  };
  std::string uuid;
  std::vector<Heap> heaps;
  std::vector<std::string> features;  ///< what shaders and runs use of it, in words
  std::vector<std::string> matrices;  ///< "float16 16x16x16 to float32": m x n x k
  std::string matrix;                 ///< the one that kernels use; empty: none
  int64_t shared_bytes = 0, storage_range = 0, allocation = 0;
  int invocations = 0, processors = 0, copy_queues = 0;
  // Variants of shaders that the device can run, by their known answers.
  int right = 0, unasked = 0;
  std::vector<std::string> wrong;
  int tuned = 0;  ///< classes of shapes for which ways were tried
};
/// Without asking for any answer: what earlier runs have found, on disk too.
DeviceDetails details_of(const DeviceBackend& backend);

/// Asks every variant of every shader for its known answer. One line for each that fails, or that has none: such a
/// variant is switched off.
std::vector<std::string> ask_every_variant(const DeviceBackend& backend);

/// What a device can do at most; 0 where it was not measured.
struct Peaks {
  double fp32_gflops = 0;    ///< multiply-adds count two
  double matrix_gflops = 0;  ///< of matrices of float16, summed in float32, in registers; 0 without such units
  double memory_gbs = 0;     ///< its own memory, read and written
  double upload_gbs = 0, download_gbs = 0;
  double dispatch_us = 0;  ///< the least time of a dispatch that waits for another
};
/// Measures it, which takes a second or less. Throws Error::device.
Peaks measure(const DeviceBackend& backend);

/// With TESSERA_VULKAN_VALIDATION=1 in the environment when the first device is opened, the
/// validation layer watches every call. Its messages so far; the list is emptied.
std::vector<std::string> take_validation_messages();
/// Whether that layer is at work.
bool validation_active();

}  // namespace tessera::vulkan
