// What tests share: where the test data is, and short ways to make and compare tensors.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "tests/places.h"
#include "tests/tensors.h"

namespace tessera::test {

/// The folder of third-party test data: TESSERA_SHARED, else "shared" beside the source folder.
/// Empty where it does not exist; such tests call TESSERA_REQUIRE_SHARED.
inline std::optional<std::filesystem::path> shared_data() {
  const char* named = std::getenv("TESSERA_SHARED");
  const std::filesystem::path path =
      named ? std::filesystem::path(named) : std::filesystem::path(source_dir()).parent_path() / "shared";
  std::error_code error;
  if (!std::filesystem::is_directory(path / "data", error)) return std::nullopt;
  return path / "data";
}

/// Binds `name` to the data folder, or skips the test.
#define TESSERA_REQUIRE_SHARED(name)                                                         \
  const auto name##_found = ::tessera::test::shared_data();                                  \
  if (!name##_found) GTEST_SKIP() << "skipped: the shared test data is not on this machine"; \
  [[maybe_unused]] const std::filesystem::path& name = *name##_found

/// A folder for one test's files, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tessera_test_XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("cannot make a temporary folder");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Memory of NaNs, and more behind it that must stay as it was.
class Guarded {
 public:
  explicit Guarded(int64_t bytes) : bytes_(bytes), tensor_(Tensor::make({DType::uint8, {bytes + guard}})) {
    std::memset(data(), 0xff, static_cast<size_t>(bytes + guard));
  }
  std::byte* data() const { return tensor_.bytes.get(); }
  bool intact() const {
    const std::byte* behind = data() + bytes_;
    return std::all_of(behind, behind + guard, [](std::byte byte) { return byte == std::byte(0xff); });
  }

 private:
  static constexpr int64_t guard = 4096;
  int64_t bytes_;
  Tensor tensor_;
};

inline std::vector<std::byte> read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  const std::vector<char> text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

/// Same dtype and shape, and |a - b| <= absolute + relative * |b|; NaN equals NaN.
inline testing::AssertionResult close(const View& actual, const View& expected, double relative = 1e-5,
                                      double absolute = 1e-6) {
  if (actual.type.dtype != expected.type.dtype || !(actual.shape() == expected.shape()))
    return testing::AssertionFailure() << cat(actual.type) << " is not " << cat(expected.type);
  const int64_t count = expected.elements();
  for (int64_t i = 0; i < count; ++i) {
    const double a = element_as_double(actual, i), b = element_as_double(expected, i);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!(std::abs(a - b) <= absolute + relative * std::abs(b)))
      return testing::AssertionFailure() << "element " << i << " is " << a << ", not " << b;
  }
  return testing::AssertionSuccess();
}
inline testing::AssertionResult close(const Tensor& actual, const Tensor& expected, double relative = 1e-5,
                                      double absolute = 1e-6) {
  return close(actual.view(), expected.view(), relative, absolute);
}

}  // namespace tessera::test
