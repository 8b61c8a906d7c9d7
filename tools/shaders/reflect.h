// What a compiled shader says of itself: its buffers, its specialization constants, and where the members of its
// structs lie.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace shaders {

/// A storage buffer, named after its first member.
struct Buffer {
  std::string name;
  bool reads = true, writes = true;
  bool halves = false;   ///< it is an array of float16
  bool uniform = false;  ///< a uniform buffer
};
struct Constant {
  std::string name;
  uint32_t id = 0;
};
/// A struct that lies in a buffer.
struct Struct {
  struct Member {
    std::string name;
    uint32_t offset = 0;
  };
  std::string name;
  uint32_t array_stride = 0;  ///< between elements of an array of it; 0: there is none
  std::vector<Member> members;
};

struct Reflection {
  std::vector<Buffer> buffers;  ///< by binding
  std::vector<Constant> constants;
  std::vector<Struct> structs;
  std::vector<uint32_t> capabilities;  ///< that a device must have, by their numbers in SPIR-V
};

/// Throws std::runtime_error where bindings are not numbered from 0 without gaps.
Reflection reflect(const std::vector<uint32_t>& words);

}  // namespace shaders
