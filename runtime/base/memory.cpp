#include "runtime/base/memory.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace tessera {
namespace {

constexpr size_t alignment = 64;
constexpr size_t huge_page = size_t{2} << 20;

std::shared_ptr<std::byte> map_pages(size_t bytes) {
  const size_t length = bytes + huge_page;  // room to begin at a huge page
  void* address = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(address);
  begin += (huge_page - reinterpret_cast<uintptr_t>(begin) % huge_page) % huge_page;
#ifdef MADV_HUGEPAGE
  // The end keeps small pages: no memory beyond what is asked for becomes resident.
  ::madvise(begin, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return {begin, [address, length](std::byte*) { ::munmap(address, length); }};
}

}  // namespace

std::shared_ptr<std::byte> allocate_zeroed(size_t bytes) {
  if (bytes > static_cast<size_t>(PTRDIFF_MAX) / 2) return nullptr;
  if (bytes >= 2 * huge_page) return map_pages(bytes);
  const size_t room = (bytes + alignment - 1) / alignment * alignment;
  auto* memory = static_cast<std::byte*>(::operator new (room, std::align_val_t{alignment}, std::nothrow));
  if (!memory) return nullptr;
  std::memset(memory, 0, room);
  return {memory, [](std::byte* p) { ::operator delete (p, std::align_val_t{alignment}); }};
}

}  // namespace tessera
