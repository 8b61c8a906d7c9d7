// The bundled model's bytes, taken into the program by the assembler.
#include "upscale/upsampler.h"

__asm__(
    ".pushsection .rodata\n"
    ".balign 64\n"
    "tessera_bundled_model_first:\n"
    ".incbin \"" TESSERA_BUNDLED_MODEL
    "\"\n"
    "tessera_bundled_model_last:\n"
    ".byte 0\n"
    ".popsection\n");

extern "C" {
extern const std::byte bundled_first[] __asm__("tessera_bundled_model_first");
extern const std::byte bundled_last[] __asm__("tessera_bundled_model_last");
}

namespace tessera::upscale {

List<std::byte> bundled_model() { return {bundled_first, bundled_last}; }

}  // namespace tessera::upscale
