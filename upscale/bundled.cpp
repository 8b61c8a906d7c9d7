// The bundled models' bytes, taken into the program by the assembler. The build lists the models in bundled.inc, as
// BUNDLED(number, name, path).
#include "upscale/upsampler.h"

#define BUNDLED(number, name, path)                                                               \
  __asm__(                                                                                        \
      ".pushsection .rodata\n"                                                                    \
      ".balign 64\n"                                                                              \
      "tessera_bundled_" #number                                                                  \
      "_first:\n"                                                                                 \
      ".incbin \"" path                                                                           \
      "\"\n"                                                                                      \
      "tessera_bundled_" #number                                                                  \
      "_last:\n"                                                                                  \
      ".byte 0\n"                                                                                 \
      ".popsection\n");                                                                           \
  extern "C" {                                                                                    \
  extern const std::byte bundled_##number##_first[] __asm__("tessera_bundled_" #number "_first"); \
  extern const std::byte bundled_##number##_last[] __asm__("tessera_bundled_" #number "_last");   \
  }
#include "bundled.inc"
#undef BUNDLED

namespace tessera::upscale {

const std::vector<BundledModel>& bundled_models() {
  static const std::vector<BundledModel> models = {
#define BUNDLED(number, name, path) {name, {bundled_##number##_first, bundled_##number##_last}},
#include "bundled.inc"
#undef BUNDLED
  };
  return models;
}

const BundledModel* bundled_model(Text name) {
  for (const BundledModel& model : bundled_models())
    if (name.empty() || name == model.name) return &model;
  return nullptr;
}

}  // namespace tessera::upscale
