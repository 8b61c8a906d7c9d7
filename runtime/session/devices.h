// Devices by the names that options give them.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "runtime/graph/backend.h"

namespace tessera {

/// The device called `name` ("vulkan", "vulkan:N"); null where it is the CPU ("cpu", or "auto" without a GPU), and
/// where there is no such device: then `why` gets one line. Throws Error::usage for other names. With `tunes`, it tries
/// ways of dividing its work, and tells how far that is.
std::unique_ptr<DeviceBackend> open_device(const std::string& name, Precision precision, std::string* why,
                                           const std::function<void(const std::string&)>& tunes = nullptr);
/// Whether it names one device ("vulkan:N").
bool names_one_device(const std::string& name);

/// A tensor in the memory of one device, or of the host, that lasts from one run to the next.
struct Buffer {
  Type type;
  Tensor host;                         ///< without bytes where it is a device's
  std::unique_ptr<Resident> resident;  ///< null where it is the host's

  Buffer(const std::string& device, const Type& type, const Sharing& sharing = {});
  explicit Buffer(const View& around);  ///< the caller's memory, which must outlive it

  void write(const std::byte* from);
  void read(std::byte* to) const;
};

}  // namespace tessera
