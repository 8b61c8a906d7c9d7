// What is made of the figures of `bench --json` and of gpu_check's journals: a comparison, and a page.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tessera::tools {

/// Prints what is in both files, side by side, and says what is faster or slower by more than the noise. False if
/// something is slower.
bool print_diff(const std::string& before, const std::string& after, bool as_json);

/// A report of `bench --per-node` as a page that needs nothing else: a roofline, and the table of operators.
std::string html_page(const nlohmann::json& report);

}  // namespace tessera::tools
