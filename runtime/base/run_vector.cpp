#include "runtime/base/run_vector.h"

#include "runtime/base/run_scope.h"

namespace tessera {
namespace {

// Lies before the memory, and is as large as the strictest alignment wants.
struct alignas(16) Note {
  Charge charge;
};
constexpr size_t system_notes = 16;

}  // namespace

void* allocate_charged(size_t bytes) {
  check_cancelled();
  Charge charge(static_cast<int64_t>(bytes + sizeof(Note) + system_notes));
  void* memory = ::operator new(bytes + sizeof(Note));
  return new (memory) Note{std::move(charge)} + 1;
}

void release_charged(void* memory) noexcept {
  Note* note = static_cast<Note*>(memory) - 1;
  note->~Note();
  ::operator delete(note);
}

}  // namespace tessera
