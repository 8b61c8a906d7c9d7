#include "runtime/base/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "runtime/base/allocator.h"
#include "runtime/base/run_scope.h"

namespace tessera {
namespace {

constexpr size_t alignment = 64;
constexpr size_t huge_page = size_t{2} << 20;
// From here on memory has pages of its own, which leave the process when it is freed: what copies of weights left
// in the heap stayed there behind whatever came after them.
constexpr size_t own_pages = size_t{512} << 10;

// What the least of allocations takes beside its bytes.
constexpr size_t small_change = 128;

std::shared_ptr<std::byte> map_pages(size_t bytes, Charge charge) {
  const size_t length = bytes + huge_page;  // room to begin at a huge page
  void* address = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(address);
  begin += (huge_page - reinterpret_cast<uintptr_t>(begin) % huge_page) % huge_page;
#ifdef MADV_HUGEPAGE
  // The end keeps small pages: no memory beyond what is asked for becomes resident.
  if (bytes >= huge_page) ::madvise(begin, bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return {begin, [address, length, charge = std::move(charge)](std::byte*) { ::munmap(address, length); }};
}

constinit thread_local const Allocator* lender = nullptr;

// The lender may come to an end before what it lent only if it lent nothing more.
std::shared_ptr<std::byte> borrow(const Allocator& from, size_t bytes, Charge charge) {
  const size_t room = std::max(bytes, size_t{1});
  auto* memory = static_cast<std::byte*>(from.allocate(from.context, room, alignment));
  if (!memory) return nullptr;
  if (reinterpret_cast<uintptr_t>(memory) % alignment) {
    from.release(from.context, memory, room);
    fail(Error::Kind::memory, "the allocator gave memory that is not aligned to ", alignment, " bytes");
  }
  std::memset(memory, 0, room);
  return {memory, [from, room, charge = std::move(charge)](std::byte* p) { from.release(from.context, p, room); }};
}

// The charge lasts as long as the memory.
std::shared_ptr<std::byte> allocate(size_t bytes, Charge charge) {
  if (lender) return borrow(*lender, bytes, std::move(charge));
  if (bytes >= own_pages) return map_pages(bytes, std::move(charge));
  const size_t room = (bytes + alignment - 1) / alignment * alignment;
  auto* memory = static_cast<std::byte*>(::operator new (room, std::align_val_t{alignment}, std::nothrow));
  if (!memory) return nullptr;
  std::memset(memory, 0, room);
  return {memory, [charge = std::move(charge)](std::byte* p) { ::operator delete (p, std::align_val_t{alignment}); }};
}

bool too_large(size_t bytes) { return bytes > static_cast<size_t>(PTRDIFF_MAX) / 2; }

// The piece of memory that allocate_shared hands out next.
struct Piece {
  std::mutex mutex;
  std::weak_ptr<std::byte> memory;  // kept by those who were given parts of it
  size_t bytes = 0, used = 0;
};

}  // namespace

AllocatorScope::AllocatorScope(const Allocator& allocator)
    : outer_(lender), mine_(allocator.allocate ? &allocator : nullptr) {
  lender = mine_;
}
AllocatorScope::~AllocatorScope() { lender = outer_; }
const Allocator* AllocatorScope::current() noexcept { return lender; }

std::shared_ptr<std::byte> allocate_lasting(size_t bytes) { return too_large(bytes) ? nullptr : allocate(bytes, {}); }

std::shared_ptr<std::byte> allocate_zeroed(size_t bytes) {
  return too_large(bytes) ? nullptr : allocate(bytes, Charge(static_cast<int64_t>(bytes + small_change)));
}

std::shared_ptr<std::byte> allocate_shared(size_t bytes) {
  constexpr size_t least = own_pages, most = 4 * huge_page;
  if (too_large(bytes)) return nullptr;
  Charge charge(static_cast<int64_t>(bytes + small_change));
  if (bytes >= 2 * huge_page || lender) return allocate(bytes, std::move(charge));
  static Piece piece;
  const std::lock_guard lock(piece.mutex);
  auto memory = piece.memory.lock();
  if (!memory || piece.used + bytes > piece.bytes) {
    // Each piece is twice as large as the one before, so that small models take little.
    const size_t room = std::max(memory ? std::min(2 * piece.bytes, most) : least, bytes);
    memory = allocate_lasting(room);
    if (!memory) return nullptr;
    piece.memory = memory;
    piece.bytes = room;
    piece.used = 0;
  }
  std::byte* begin = memory.get() + piece.used;
  piece.used += (bytes + alignment - 1) / alignment * alignment;
  return {begin, [memory = std::move(memory), charge = std::move(charge)](std::byte*) {}};
}

struct Recycler::Kept {
  using Buffer = std::pair<size_t, std::shared_ptr<std::byte>>;
  std::mutex mutex;
  std::vector<Buffer> buffers;  // as many as there is room for
  std::atomic<int64_t> idle{0};

  std::shared_ptr<std::byte> take(size_t bytes) {
    const std::lock_guard lock(mutex);
    // The last one given is the nearest.
    const auto found =
        std::find_if(buffers.rbegin(), buffers.rend(), [&](const Buffer& buffer) { return buffer.first == bytes; });
    if (found == buffers.rend()) return nullptr;
    auto memory = std::move(found->second);
    buffers.erase(std::next(found).base());
    idle -= static_cast<int64_t>(bytes);
    return memory;
  }

  void give(size_t bytes, std::shared_ptr<std::byte> memory) {
    const std::lock_guard lock(mutex);
    if (buffers.size() == buffers.capacity()) drop_oldest();
    buffers.emplace_back(bytes, std::move(memory));
    idle += static_cast<int64_t>(bytes);
  }

  // Gives buffers back that have waited for longest, until those that wait take no more than this.
  void shrink(size_t most) {
    const std::lock_guard lock(mutex);
    while (idle > static_cast<int64_t>(most)) drop_oldest();
  }

 private:
  void drop_oldest() {
    idle -= static_cast<int64_t>(buffers.front().first);
    buffers.erase(buffers.begin());
  }
};

Recycler::Recycler(size_t most) : kept_(std::make_shared<Kept>()) { kept_->buffers.reserve(most); }

int64_t Recycler::idle() const { return kept_->idle.load(std::memory_order_relaxed); }
void Recycler::drop_idle() const { kept_->shrink(0); }

std::shared_ptr<std::byte> Recycler::allocate(size_t bytes) const {
  // Smaller ones stay with the process anyway.
  constexpr size_t least = size_t{128} << 10, most_idle = size_t{32} << 20;
  if (bytes < least) return allocate_zeroed(bytes);
  auto memory = kept_->take(bytes);
  Charge charge(static_cast<int64_t>(bytes));
  if (!memory) {
    // What waits for others of its size is not to be much beside what is in use.
    kept_->shrink(std::max(bytes, most_idle));
    memory = allocate_lasting(bytes);
  }
  if (!memory) return nullptr;
  std::byte* begin = memory.get();
  return {begin, [kept = std::weak_ptr(kept_), bytes, charge = std::move(charge),
                  memory = std::move(memory)](std::byte*) mutable {
            if (const auto keeper = kept.lock()) keeper->give(bytes, std::move(memory));
          }};
}

}  // namespace tessera
