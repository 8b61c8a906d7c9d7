// Where this build's sources and results are.
#pragma once

#include <string>

namespace tessera::test {

std::string source_dir();
std::string binary_dir();

}  // namespace tessera::test
