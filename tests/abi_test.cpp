// The layout of every public struct: a program that was compiled with an older header reads and writes at these
// offsets. tests/layouts.txt lists them; lines are added to it, at the end of a struct, and none is ever changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "include/tessera/pictures.h"
#include "include/tessera/tessera.h"
#include "include/tessera/upscale.h"
#include "tests/places.h"

namespace {

struct Member {
  std::string of, name;
  size_t offset, bytes, alignment;
};
struct Layout {
  std::string name;
  size_t bytes;
};

const auto [structs, members] = [] {
  std::vector<Layout> layouts;
  std::vector<Member> found;
#define STRUCT(type)              \
  {                               \
    using Struct = type;          \
    const std::string of = #type; \
    layouts.push_back({of, sizeof(Struct)});
#define MEMBER(name) \
  found.push_back({of, #name, offsetof(Struct, name), sizeof(Struct::name), alignof(decltype(Struct::name))});
#define END }
#include "runtime/base/public_members.def"
#include "upscale/codecs/public_members.def"
#include "upscale/public_members.def"
  return std::pair(layouts, found);
}();

std::string read(const std::string& path) {
  std::ifstream file(tessera::test::source_dir() + path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

TEST(Abi, NoMemberHasMoved) {
  std::ostringstream found;
  for (const Member& m : members) found << m.of << ' ' << m.name << ' ' << m.offset << ' ' << m.bytes << '\n';
  std::string listed;
  std::istringstream lines(read("/tests/layouts.txt"));
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with('#')) listed += line + '\n';
  EXPECT_EQ(found.str(), listed) << "tests/layouts.txt: add what is new at the end of its struct; what is there stays";
}

// What this file lists is all that there is: between two members, and behind the last one, is no room for another.
TEST(Abi, EveryMemberIsListed) {
  for (const Layout& layout : structs) {
    size_t end = 0, alignment = 1;
    for (const Member& m : members) {
      if (m.of != layout.name) continue;
      EXPECT_GE(m.offset, end) << m.of << '.' << m.name;
      EXPECT_LT(m.offset - end, m.alignment) << "a member is missing before " << m.of << '.' << m.name;
      end = m.offset + m.bytes;
      alignment = std::max(alignment, m.alignment);
    }
    EXPECT_LT(layout.bytes - end, alignment) << "a member is missing at the end of " << layout.name;
  }
}

TEST(Abi, EveryStructIsListed) {
  std::set<std::string> declared, listed;
  for (const char* header :
       {"/include/tessera/tessera.h", "/include/tessera/upscale.h", "/include/tessera/pictures.h"}) {
    const std::string text = read(header);
    const std::regex end("\\} (tessera_\\w+);");
    for (std::sregex_iterator at(text.begin(), text.end(), end), none; at != none; ++at) declared.insert((*at)[1]);
  }
  for (const Layout& layout : structs) listed.insert(layout.name);
  for (const std::string& name : declared) {
    if (read("/include/tessera/tessera.h").find("typedef enum " + name) != std::string::npos ||
        read("/include/tessera/upscale.h").find("typedef enum " + name) != std::string::npos)
      continue;
    EXPECT_TRUE(listed.contains(name)) << name;
  }
}

}  // namespace
