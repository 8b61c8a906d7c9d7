// Public structs of every size that a caller may state: a member that is cut in half is not there.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "include/tessera/pictures.h"
#include "include/tessera/upscale.h"

namespace tessera::test {

struct MemberPlace {
  const char* name;
  size_t begin, end;
};
template <class Struct>
std::vector<MemberPlace> places_of();
#define STRUCT(type)                                  \
  template <>                                         \
  inline std::vector<MemberPlace> places_of<type>() { \
    using Struct = type;                              \
    return {
#define MEMBER(name) {#name, offsetof(Struct, name), offsetof(Struct, name) + sizeof(Struct::name)},
#define END \
  }         \
  ;         \
  }
#include "runtime/base/public_members.def"
#include "upscale/codecs/public_members.def"
#include "upscale/public_members.def"
#undef STRUCT
#undef MEMBER
#undef END

inline std::string told(tessera_status* status) {
  const std::string text = std::to_string(tessera_status_code(status)) + " " + tessera_status_text(status);
  tessera_status_free(status);
  return text;
}

/// Of a struct that the library reads: so many bytes of it say what the whole members in them say.
template <class Struct, class Call>
void check_read(const Struct& whole, const Call& call) {
  for (size_t size = sizeof(size_t); size <= sizeof(Struct); ++size) {
    std::vector<std::byte> cut(size);
    std::memcpy(cut.data(), &whole, size);
    std::memcpy(cut.data(), &size, sizeof size);
    Struct expected{};
    for (const MemberPlace& place : places_of<Struct>())
      if (place.end <= size)
        std::memcpy(reinterpret_cast<std::byte*>(&expected) + place.begin,
                    reinterpret_cast<const std::byte*>(&whole) + place.begin, place.end - place.begin);
    expected.struct_size = sizeof(Struct);
    // Structs that are not as large as their first version are refused.
    const std::string got = told(call(reinterpret_cast<const Struct*>(cut.data()))), due = told(call(&expected));
    if (got.find("struct_size") != std::string::npos) continue;
    EXPECT_EQ(got, due) << size << " bytes";
  }
}

/// Of a struct that the library fills: what of it is whole, and nothing else.
template <class Struct, class Call>
void check_written(const Call& call) {
  Struct whole;
  std::memset(&whole, 0xa5, sizeof whole);
  whole.struct_size = sizeof whole;
  ASSERT_EQ(told(call(&whole)), "0 ");
  for (size_t size = sizeof(size_t); size < sizeof(Struct); ++size) {
    std::vector<std::byte> cut(size, std::byte{0xa5});
    std::memcpy(cut.data(), &size, sizeof size);
    if (told(call(reinterpret_cast<Struct*>(cut.data()))) != "0 ") continue;
    for (const MemberPlace& place : places_of<Struct>()) {
      if (place.begin == 0) continue;
      for (size_t i = place.begin; i < std::min(place.end, size); ++i) {
        if (std::string(place.name) == "tensor" && i / 8 == place.begin / 8 && i % 8 >= 4)
          continue;  // nothing is there
        ASSERT_EQ(cut[i], place.end <= size ? reinterpret_cast<const std::byte*>(&whole)[i] : std::byte{0xa5})
            << place.name << " in " << size << " bytes";
      }
    }
  }
}

}  // namespace tessera::test
