// NumPy's .npy files, versions 1 to 3: any byte order and element order in, little-endian rows out.
#pragma once

#include <filesystem>

#include "runtime/graph/tensor.h"

namespace tessera::tools {

/// Reads one array. Refuses headers that do not fit the file, with a message that names the file.
Tensor read_npy(const std::filesystem::path& path);
Tensor parse_npy(List<std::byte> bytes);

/// Writes through a temporary file that is renamed at the end, so that no half-written file stays.
/// Types that NumPy lacks are widened: bfloat16 and 8-bit floats to float32, 2- and 4-bit integers
/// to 8 bits.
void write_npy(const std::filesystem::path& path, const Tensor& tensor);
std::string format_npy(const Tensor& tensor);

/// A copy of `tensor` in another dtype, each element rounded to it; strings and complex numbers are
/// refused.
Tensor convert(const Tensor& tensor, DType dtype);

/// Writes `bytes` to `path` so that it is the old file or the whole new one at every moment.
void write_file(const std::filesystem::path& path, Text bytes);
/// A whole file. Throws Error::file.
std::string read_text(const std::filesystem::path& path);

}  // namespace tessera::tools
