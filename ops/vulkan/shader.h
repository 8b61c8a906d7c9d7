// Shader: one compiled variant of a file in shaders/, embedded by tools/shaders.
#pragma once

#include "runtime/base/dtype.h"

namespace tessera::vulkan {

using uint = uint32_t;  // as GLSL calls it: see shaders/params/

/// How a shader is compiled. Its first lines list its variants.
struct Variant {
  DType storage;     ///< of elements in memory
  DType arithmetic;  ///< of what is computed with them
  friend bool operator==(const Variant&, const Variant&) = default;
};

struct Shader {
  struct Buffer {
    Text name;
    bool reads, writes;
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
};

/// All variants of all shaders.
List<Shader> all_shaders();
/// "conv (float32)", for messages.
std::string title_of(const Shader& shader);

}  // namespace tessera::vulkan
