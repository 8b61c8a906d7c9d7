// What tests of the C interfaces expect of a status.
#pragma once

#include <gmock/gmock.h>

#include "include/tessera/tessera.h"

namespace tessera::test {

inline void expect_failure(tessera_status* status, tessera_code code, const std::string& text) {
  ASSERT_NE(status, nullptr) << text;
  EXPECT_EQ(tessera_status_code(status), code) << tessera_status_text(status);
  EXPECT_THAT(tessera_status_text(status), testing::HasSubstr(text));
  tessera_status_free(status);
}

inline void expect_success(tessera_status* status) {
  EXPECT_EQ(status, nullptr) << tessera_status_text(status);
  tessera_status_free(status);
}

}  // namespace tessera::test
