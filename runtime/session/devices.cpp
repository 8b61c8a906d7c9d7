#include "runtime/session/devices.h"

#include <algorithm>
#include <charconv>

#include "runtime/graph/booleans.h"
#ifdef TESSERA_VULKAN
#include "ops/vulkan/backend.h"
#endif

namespace tessera {
namespace {

// The N of "vulkan:N"; -1 of "vulkan".
int index_of(const std::string& name) {
  int index = -1;
  if (name.size() == 6) return index;
  const char* end = name.data() + name.size();
  if (name[6] != ':' || std::from_chars(name.data() + 7, end, index).ptr != end || name.size() == 7 || index < 0)
    fail(Error::Kind::usage, "device \"", name, "\" is not known: use vulkan or vulkan:N");
  return index;
}

}  // namespace

bool names_one_device(const std::string& name) { return name.starts_with("vulkan:"); }

std::unique_ptr<DeviceBackend> open_device(const std::string& name, Precision precision, std::string* why,
                                           const std::function<void(const std::string&)>& tunes) {
  const bool automatic = name == "auto", vulkan = name.starts_with("vulkan");
  if (!automatic && !vulkan && name != "cpu")
    fail(Error::Kind::usage, "device \"", name, "\" is not known: use auto, cpu, vulkan or vulkan:N");
#ifdef TESSERA_VULKAN
  if (!vulkan && !(automatic && vulkan::gpu_may_be_there())) return nullptr;
  auto device = vulkan::make_backend(vulkan ? index_of(name) : -1, why, precision, tunes);
  if (!device && vulkan) *why = "no Vulkan device: " + *why;
  if (!device && automatic) why->clear();
  return device;
#else
  if (vulkan && index_of(name) + 1 >= 0) *why = "this build has no Vulkan";
  (void)precision, (void)tunes;
  return nullptr;
#endif
}

Buffer::Buffer(const std::string& wanted, const Type& given, const Sharing& sharing) : type(given) {
  std::string why;
  if (const auto backend = open_device(wanted, Precision::fp32, &why)) {
    resident = backend->make_resident(type.bytes(), sharing);
    return;
  }
  if (!why.empty()) fail(Error::Kind::device, why);
  if (sharing.exported || sharing.descriptor >= 0)
    fail(Error::Kind::unsupported, "a buffer of the host's memory is not shared by a file descriptor");
  host = Tensor::make(type);
}

Buffer::Buffer(const View& around)
    : type(around.type), host{type, std::shared_ptr<std::byte>(around.data, [](std::byte*) {})} {}

void Buffer::write(const std::byte* from) {
  const View given{type, const_cast<std::byte*>(from)};
  if (!are_booleans(given)) return write(copy_with_booleans(given).bytes.get());
  if (resident) return resident->write(from);
  std::copy_n(from, type.bytes(), host.bytes.get());  // none of an empty one, whose data may be NULL
}

void Buffer::read(std::byte* to) const {
  if (resident) return resident->read(to);
  std::copy_n(host.bytes.get(), type.bytes(), to);
}

}  // namespace tessera
