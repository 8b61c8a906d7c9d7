// The one source that knows this machine's paths, so that a compiler cache serves the others in any folder.
#include "tests/places.h"

namespace tessera::test {

std::string source_dir() { return TESSERA_SOURCE_DIR; }
std::string binary_dir() { return TESSERA_BINARY_DIR; }

}  // namespace tessera::test
