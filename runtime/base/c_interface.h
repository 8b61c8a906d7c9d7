// What the libraries' C interfaces share: exceptions become statuses, and structs are read and written as far as the
// caller knows them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <new>

#include "include/tessera/tessera.h"
#include "runtime/base/base.h"

namespace tessera::c_api {

inline tessera_code code_of(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::usage: return TESSERA_USAGE;
    case Error::Kind::file: return TESSERA_FILE;
    case Error::Kind::model: return TESSERA_MODEL;
    case Error::Kind::unsupported: return TESSERA_UNSUPPORTED;
    case Error::Kind::shape: return TESSERA_SHAPE;
    case Error::Kind::type: return TESSERA_TYPE;
    case Error::Kind::memory: return TESSERA_MEMORY;
    case Error::Kind::device: return TESSERA_DEVICE;
    case Error::Kind::cancelled: return TESSERA_CANCELLED;
    case Error::Kind::deadline: return TESSERA_DEADLINE;
  }
  return TESSERA_INTERNAL;
}

/// The other way round; `otherwise`: of a code that is none of an error.
inline Error::Kind kind_of(tessera_code code, Error::Kind otherwise) {
  for (int kind = 0; kind <= static_cast<int>(Error::Kind::deadline); ++kind)
    if (code_of(static_cast<Error::Kind>(kind)) == code) return static_cast<Error::Kind>(kind);
  return otherwise;
}

/// Ends the exception at hand.
inline tessera_status* caught() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return tessera_status_create(code_of(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    return tessera_status_create(TESSERA_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return tessera_status_create(TESSERA_INTERNAL, error.what());
  } catch (...) {
    return tessera_status_create(TESSERA_INTERNAL, "unknown exception");
  }
}

/// Every body of an interface runs inside of it: the only place where exceptions end.
template <class Body>
tessera_status* guard(const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (...) {
    return caught();
  }
}

template <class... Pointers>
void require(const Pointers*... pointers) {
  if ((... || !pointers)) fail(Error::Kind::usage, "an argument is NULL");
}

inline void require_size(size_t size, const char* name) {
  if (size < sizeof(size_t)) fail(Error::Kind::usage, name, ".struct_size is ", size, ": initialize it first");
}

/// How much of a struct's first bytes are whole members. The macros are for the structs of other headers, too.
template <class Struct>
size_t whole_members(size_t bytes);
#define STRUCT(type)                                \
  template <>                                       \
  inline size_t whole_members<type>(size_t bytes) { \
    using Struct = type;
#define MEMBER(name)                                                                           \
  if (offsetof(Struct, name) < bytes && bytes < offsetof(Struct, name) + sizeof(Struct::name)) \
    return offsetof(Struct, name);
#define END                               \
  return std::min(bytes, sizeof(Struct)); \
  }
#include "runtime/base/public_members.def"

/// A caller's struct as this library knows it: what an older, smaller one does not have is 0, as is all of none. A
/// member that is not wholly there is not there.
template <class Struct>
Struct read_struct(const Struct* given, const char* name) {
  Struct known{};
  if (!given) return known;
  require_size(given->struct_size, name);
  std::memcpy(&known, given, whole_members<Struct>(given->struct_size));
  return known;
}

/// Writes no more than the caller's struct has.
template <class Struct>
void write_struct(Struct filled, Struct* to, const char* name) {
  require(to);
  require_size(to->struct_size, name);
  filled.struct_size = to->struct_size;
  std::memcpy(to, &filled, whole_members<Struct>(to->struct_size));
}

}  // namespace tessera::c_api
