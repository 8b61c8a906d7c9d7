// How much memory this process may have.
#pragma once

#include <cstdint>
#include <string>

namespace tessera {

/// Bytes of the machine's memory, or what the smallest limit of this process's cgroups grants where that is less;
/// 0 where nothing says. `root` is put before every path: tests have a tree of their own.
int64_t total_memory(const std::string& root = "");

/// Bytes of it that nobody uses, or that hold what can be read again from files.
int64_t available_memory(const std::string& root = "");

}  // namespace tessera
