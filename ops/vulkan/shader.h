// Shader: one compiled variant of a file in shaders/, embedded by tools/shaders.
#pragma once

#include "runtime/base/base.h"

namespace tessera::vulkan {

/// What a variant needs of a device: the names after `needs=` in a shader's first line.
enum Needs : uint32_t {
  needs_fp16 = 1,     ///< 16-bit storage and arithmetic
  needs_coopmat = 2,  ///< VK_KHR_cooperative_matrix
};

struct Shader {
  Text file, variant;
  const uint32_t* words;
  size_t count;
  uint32_t needs;
};

/// The variant; throws Error::device if there is none of that name.
const Shader& find_shader(Text file, Text variant);
/// All of them.
List<Shader> all_shaders();

}  // namespace tessera::vulkan
