// Shader: one compiled variant of a file in shaders/, embedded by tools/shaders, and what it may be given.
#pragma once

#include <map>

#include "runtime/graph/tensor.h"

namespace tessera::vulkan {

using uint = uint32_t;  // as GLSL calls it: see shaders/params/

/// What multiplies: each invocation by itself, or the device's matrix units.
enum class Units : uint8_t { lanes, matrix };

/// How a shader is compiled. Its first lines list its variants.
struct Variant {
  DType storage;     ///< of elements in memory
  DType arithmetic;  ///< of what is computed with them
  Units units = Units::lanes;
  friend bool operator==(const Variant&, const Variant&) = default;
};

struct Shader {
  struct Buffer {
    Text name;
    bool reads, writes;
    bool halves;   ///< an array of float16
    bool uniform;  ///< read as a uniform buffer, which costs a shader no loads
  };
  struct Constant {
    Text name;
    uint32_t id;
  };
  Text name;  ///< the file's
  Variant variant;
  List<uint32_t> words;
  List<Buffer> buffers;  ///< by binding
  List<Constant> constants;
  List<uint32_t> capabilities;  ///< that a device must have, by their numbers in SPIR-V
};

/// Specialization constants by id.
using Constants = std::map<uint32_t, uint32_t>;

/// Makes what the device keeps of a constant tensor; `parameter` is the packing's own.
using Pack = Tensor (*)(const Tensor& constant, int64_t parameter);

/// All variants of all shaders.
List<Shader> all_shaders();
/// "conv (float32)", for messages.
std::string title_of(const Shader& shader);

}  // namespace tessera::vulkan
