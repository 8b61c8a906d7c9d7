// The first Vulkan device for a test, Mesa's software renderer included. The validation layer watches, and is to have
// nothing to say.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "ops/vulkan/backend.h"

namespace tessera::test {

// Before anything in this process opens Vulkan.
[[maybe_unused]] inline const int wants_validation = setenv("TESSERA_VULKAN_VALIDATION", "1", 1);
// Nothing is remembered from one run of the tests to the next.
[[maybe_unused]] inline const int without_cache = setenv("TESSERA_CACHE", "/dev/null", 1);

class VulkanDevice : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (vulkan::devices(&why).empty()) GTEST_SKIP() << "skipped: " << why;
    open(Precision::fp32);
  }

  void open(Precision precision) {
    std::string why;
    device_ = vulkan::make_backend(0, &why, precision);
    ASSERT_TRUE(device_) << why;
  }

  void TearDown() override {
    if (!device_) return;
    if (!vulkan::validation_active()) std::cout << "the validation layer is not installed: calls went unwatched\n";
    device_.reset();
    for (const std::string& message : vulkan::take_validation_messages()) ADD_FAILURE() << message;
  }

  std::shared_ptr<DeviceBackend> device_;
};

}  // namespace tessera::test
