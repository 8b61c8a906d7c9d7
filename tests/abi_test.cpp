// The layout of every public struct: a program that was compiled with an older header reads and writes at these
// offsets. tests/layouts.txt lists them; lines are added to it, at the end of a struct, and none is ever changed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "include/tessera/tessera.h"
#include "include/tessera/upscale.h"
#include "tests/places.h"

namespace {

struct Member {
  std::string of, name;
  size_t offset, bytes, alignment;
};
struct Layout {
  std::string name;
  size_t bytes;
};

#define MEMBER(type, name) \
  { #type, #name, offsetof(type, name), sizeof(type::name), alignof(decltype(type::name)) }
#define STRUCT(type) \
  { #type, sizeof(type) }

// clang-format off
const Layout structs[] = {
    STRUCT(tessera_tensor),
    STRUCT(tessera_fixed_input),
    STRUCT(tessera_environment_options),
    STRUCT(tessera_options),
    STRUCT(tessera_type_facts),
    STRUCT(tessera_port),
    STRUCT(tessera_step),
    STRUCT(tessera_run_options),
    STRUCT(tessera_attribute),
    STRUCT(tessera_operator),
    STRUCT(tessera_memory),
    STRUCT(tessera_traffic),
    STRUCT(tessera_facts),
    STRUCT(tessera_device),
    STRUCT(tessera_model),
    STRUCT(tessera_step_facts),
    STRUCT(tessera_reach_query),
    STRUCT(tessera_reach_facts),
    STRUCT(tessera_pool),
    STRUCT(tessera_stretch),
    STRUCT(tessera_part),
    STRUCT(tessera_pixels_in),
    STRUCT(tessera_pixels_out),
    STRUCT(tessera_upscaler_options),
    STRUCT(tessera_upscaler_facts),
    STRUCT(tessera_picture),
    STRUCT(tessera_upscale_options),
    STRUCT(tessera_upscale_summary),
    STRUCT(tessera_upscale_forecast),
};
const Member members[] = {
    MEMBER(tessera_tensor, dtype),
    MEMBER(tessera_tensor, rank),
    MEMBER(tessera_tensor, dims),
    MEMBER(tessera_tensor, data),
    MEMBER(tessera_tensor, bytes),
    MEMBER(tessera_fixed_input, name),
    MEMBER(tessera_fixed_input, value),
    MEMBER(tessera_environment_options, struct_size),
    MEMBER(tessera_environment_options, share_threads),
    MEMBER(tessera_environment_options, threads),
    MEMBER(tessera_environment_options, parallel_for),
    MEMBER(tessera_environment_options, parallel_context),
    MEMBER(tessera_environment_options, share_models),
    MEMBER(tessera_environment_options, log),
    MEMBER(tessera_environment_options, log_context),
    MEMBER(tessera_environment_options, allocate),
    MEMBER(tessera_environment_options, release),
    MEMBER(tessera_environment_options, memory_context),
    MEMBER(tessera_options, struct_size),
    MEMBER(tessera_options, threads),
    MEMBER(tessera_options, device),
    MEMBER(tessera_options, precision),
    MEMBER(tessera_options, optimize),
    MEMBER(tessera_options, memory_limit),
    MEMBER(tessera_options, parallel_for),
    MEMBER(tessera_options, parallel_context),
    MEMBER(tessera_options, name),
    MEMBER(tessera_options, fixed),
    MEMBER(tessera_options, fixed_count),
    MEMBER(tessera_options, fail_with_device),
    MEMBER(tessera_options, operators),
    MEMBER(tessera_options, environment),
    MEMBER(tessera_options, most_plans),
    MEMBER(tessera_options, deadline_ms),
    MEMBER(tessera_options, most_rounds),
    MEMBER(tessera_options, cancel),
    MEMBER(tessera_type_facts, struct_size),
    MEMBER(tessera_type_facts, kind),
    MEMBER(tessera_type_facts, dtype),
    MEMBER(tessera_type_facts, ranked),
    MEMBER(tessera_type_facts, rank),
    MEMBER(tessera_type_facts, dims),
    MEMBER(tessera_type_facts, item),
    MEMBER(tessera_port, struct_size),
    MEMBER(tessera_port, name),
    MEMBER(tessera_port, dtype),
    MEMBER(tessera_port, ranked),
    MEMBER(tessera_port, rank),
    MEMBER(tessera_port, dims),
    MEMBER(tessera_port, kind),
    MEMBER(tessera_port, optional),
    MEMBER(tessera_port, place),
    MEMBER(tessera_port, type),
    MEMBER(tessera_step, struct_size),
    MEMBER(tessera_step, node),
    MEMBER(tessera_step, op),
    MEMBER(tessera_step, kernel),
    MEMBER(tessera_step, seconds),
    MEMBER(tessera_run_options, struct_size),
    MEMBER(tessera_run_options, cancel),
    MEMBER(tessera_run_options, progress),
    MEMBER(tessera_run_options, step),
    MEMBER(tessera_run_options, context),
    MEMBER(tessera_run_options, deadline_ms),
    MEMBER(tessera_attribute, struct_size),
    MEMBER(tessera_attribute, name),
    MEMBER(tessera_attribute, kind),
    MEMBER(tessera_attribute, count),
    MEMBER(tessera_attribute, integers),
    MEMBER(tessera_attribute, reals),
    MEMBER(tessera_attribute, tensor),
    MEMBER(tessera_operator, struct_size),
    MEMBER(tessera_operator, domain),
    MEMBER(tessera_operator, name),
    MEMBER(tessera_operator, version),
    MEMBER(tessera_operator, types),
    MEMBER(tessera_operator, min_inputs),
    MEMBER(tessera_operator, max_inputs),
    MEMBER(tessera_operator, min_outputs),
    MEMBER(tessera_operator, max_outputs),
    MEMBER(tessera_operator, user),
    MEMBER(tessera_operator, release),
    MEMBER(tessera_operator, create),
    MEMBER(tessera_operator, destroy),
    MEMBER(tessera_operator, infer),
    MEMBER(tessera_operator, run),
    MEMBER(tessera_memory, struct_size),
    MEMBER(tessera_memory, weights),
    MEMBER(tessera_memory, packed),
    MEMBER(tessera_memory, arena),
    MEMBER(tessera_memory, ends),
    MEMBER(tessera_memory, device_weights),
    MEMBER(tessera_memory, device),
    MEMBER(tessera_traffic, struct_size),
    MEMBER(tessera_traffic, uploaded),
    MEMBER(tessera_traffic, downloaded),
    MEMBER(tessera_traffic, submits),
    MEMBER(tessera_traffic, busy_ns),
    MEMBER(tessera_facts, struct_size),
    MEMBER(tessera_facts, has_device),
    MEMBER(tessera_facts, threads),
    MEMBER(tessera_facts, runs_at_once),
    MEMBER(tessera_facts, row_step),
    MEMBER(tessera_facts, stores_halves),
    MEMBER(tessera_device, struct_size),
    MEMBER(tessera_device, id),
    MEMBER(tessera_device, name),
    MEMBER(tessera_device, driver),
    MEMBER(tessera_device, memory),
    MEMBER(tessera_device, threads),
    MEMBER(tessera_device, software),
    MEMBER(tessera_device, fp16),
    MEMBER(tessera_device, matrix_units),
    MEMBER(tessera_model, struct_size),
    MEMBER(tessera_model, path),
    MEMBER(tessera_model, producer),
    MEMBER(tessera_model, ir_version),
    MEMBER(tessera_model, weight_bytes),
    MEMBER(tessera_model, node_count),
    MEMBER(tessera_model, metadata_count),
    MEMBER(tessera_model, opset_count),
    MEMBER(tessera_model, operator_count),
    MEMBER(tessera_model, producer_name),
    MEMBER(tessera_model, producer_version),
    MEMBER(tessera_model, domain),
    MEMBER(tessera_model, description),
    MEMBER(tessera_model, graph_name),
    MEMBER(tessera_model, graph_description),
    MEMBER(tessera_model, version),
    MEMBER(tessera_step_facts, struct_size),
    MEMBER(tessera_step_facts, node),
    MEMBER(tessera_step_facts, op),
    MEMBER(tessera_step_facts, kernel),
    MEMBER(tessera_step_facts, device),
    MEMBER(tessera_step_facts, why),
    MEMBER(tessera_step_facts, flops),
    MEMBER(tessera_step_facts, bytes),
    MEMBER(tessera_step_facts, input_count),
    MEMBER(tessera_step_facts, output_count),
    MEMBER(tessera_reach_query, struct_size),
    MEMBER(tessera_reach_query, input),
    MEMBER(tessera_reach_query, output),
    MEMBER(tessera_reach_query, input_axes),
    MEMBER(tessera_reach_query, output_axes),
    MEMBER(tessera_reach_facts, struct_size),
    MEMBER(tessera_reach_facts, followed),
    MEMBER(tessera_reach_facts, global),
    MEMBER(tessera_reach_facts, reason),
    MEMBER(tessera_reach_facts, step),
    MEMBER(tessera_reach_facts, low),
    MEMBER(tessera_reach_facts, high),
    MEMBER(tessera_reach_facts, lattice),
    MEMBER(tessera_reach_facts, pool_count),
    MEMBER(tessera_reach_facts, stretch_count),
    MEMBER(tessera_pool, struct_size),
    MEMBER(tessera_pool, in),
    MEMBER(tessera_pool, out),
    MEMBER(tessera_pool, dtype),
    MEMBER(tessera_pool, rank),
    MEMBER(tessera_pool, dims),
    MEMBER(tessera_pool, largest),
    MEMBER(tessera_pool, stage),
    MEMBER(tessera_pool, axes),
    MEMBER(tessera_pool, step),
    MEMBER(tessera_pool, middle),
    MEMBER(tessera_pool, pooled),
    MEMBER(tessera_stretch, struct_size),
    MEMBER(tessera_stretch, out),
    MEMBER(tessera_stretch, in_extent),
    MEMBER(tessera_stretch, out_extent),
    MEMBER(tessera_stretch, in_step),
    MEMBER(tessera_stretch, out_step),
    MEMBER(tessera_part, struct_size),
    MEMBER(tessera_part, given),
    MEMBER(tessera_part, given_types),
    MEMBER(tessera_part, given_count),
    MEMBER(tessera_part, wanted),
    MEMBER(tessera_part, wanted_count),
    MEMBER(tessera_part, stretched),
    MEMBER(tessera_part, stretched_count),
    MEMBER(tessera_pixels_in, struct_size),
    MEMBER(tessera_pixels_in, bits),
    MEMBER(tessera_pixels_in, samples),
    MEMBER(tessera_pixels_in, channels),
    MEMBER(tessera_pixels_in, packed),
    MEMBER(tessera_pixels_in, from),
    MEMBER(tessera_pixels_in, black),
    MEMBER(tessera_pixels_in, white),
    MEMBER(tessera_pixels_out, struct_size),
    MEMBER(tessera_pixels_out, bits),
    MEMBER(tessera_pixels_out, output),
    MEMBER(tessera_pixels_out, channels),
    MEMBER(tessera_pixels_out, packed),
    MEMBER(tessera_pixels_out, batched),
    MEMBER(tessera_pixels_out, from_count),
    MEMBER(tessera_pixels_out, from),
    MEMBER(tessera_pixels_out, mean),
    MEMBER(tessera_pixels_out, black),
    MEMBER(tessera_pixels_out, white),
    MEMBER(tessera_upscaler_options, struct_size),
    MEMBER(tessera_upscaler_options, devices),
    MEMBER(tessera_upscaler_options, precision),
    MEMBER(tessera_upscaler_options, threads),
    MEMBER(tessera_upscaler_options, name),
    MEMBER(tessera_upscaler_options, fixed),
    MEMBER(tessera_upscaler_options, fixed_count),
    MEMBER(tessera_upscaler_options, tile),
    MEMBER(tessera_upscaler_options, overlap),
    MEMBER(tessera_upscaler_options, memory),
    MEMBER(tessera_upscaler_options, mean_of_8),
    MEMBER(tessera_upscaler_options, smooth_alpha),
    MEMBER(tessera_upscaler_options, range),
    MEMBER(tessera_upscaler_options, range_out),
    MEMBER(tessera_upscaler_options, order),
    MEMBER(tessera_upscaler_options, output),
    MEMBER(tessera_upscaler_facts, struct_size),
    MEMBER(tessera_upscaler_facts, name),
    MEMBER(tessera_upscaler_facts, scale),
    MEMBER(tessera_upscaler_facts, channels),
    MEMBER(tessera_upscaler_facts, out_channels),
    MEMBER(tessera_upscaler_facts, dtype),
    MEMBER(tessera_upscaler_facts, packed),
    MEMBER(tessera_upscaler_facts, blue_first),
    MEMBER(tessera_upscaler_facts, linear),
    MEMBER(tessera_upscaler_facts, black),
    MEMBER(tessera_upscaler_facts, white),
    MEMBER(tessera_upscaler_facts, out_black),
    MEMBER(tessera_upscaler_facts, out_white),
    MEMBER(tessera_upscaler_facts, multiple),
    MEMBER(tessera_upscaler_facts, smallest),
    MEMBER(tessera_upscaler_facts, fixed_width),
    MEMBER(tessera_upscaler_facts, fixed_height),
    MEMBER(tessera_upscaler_facts, reach),
    MEMBER(tessera_upscaler_facts, lattice),
    MEMBER(tessera_upscaler_facts, overlap),
    MEMBER(tessera_upscaler_facts, sees_all),
    MEMBER(tessera_upscaler_facts, device_count),
    MEMBER(tessera_upscaler_facts, note_count),
    MEMBER(tessera_picture, struct_size),
    MEMBER(tessera_picture, width),
    MEMBER(tessera_picture, height),
    MEMBER(tessera_picture, channels),
    MEMBER(tessera_picture, dtype),
    MEMBER(tessera_picture, data),
    MEMBER(tessera_picture, row_stride),
    MEMBER(tessera_picture, pixel_stride),
    MEMBER(tessera_picture, channel_stride),
    MEMBER(tessera_picture, light),
    MEMBER(tessera_upscale_options, struct_size),
    MEMBER(tessera_upscale_options, width),
    MEMBER(tessera_upscale_options, height),
    MEMBER(tessera_upscale_options, x),
    MEMBER(tessera_upscale_options, y),
    MEMBER(tessera_upscale_options, progress),
    MEMBER(tessera_upscale_options, context),
    MEMBER(tessera_upscale_options, cancel),
    MEMBER(tessera_upscale_summary, struct_size),
    MEMBER(tessera_upscale_summary, windows),
    MEMBER(tessera_upscale_summary, window_width),
    MEMBER(tessera_upscale_summary, window_height),
    MEMBER(tessera_upscale_summary, model_seconds),
    MEMBER(tessera_upscale_summary, seam),
    MEMBER(tessera_upscale_summary, note_count),
    MEMBER(tessera_upscale_forecast, struct_size),
    MEMBER(tessera_upscale_forecast, windows),
    MEMBER(tessera_upscale_forecast, window_width),
    MEMBER(tessera_upscale_forecast, window_height),
    MEMBER(tessera_upscale_forecast, run_bytes),
    MEMBER(tessera_upscale_forecast, weight_bytes),
    MEMBER(tessera_upscale_forecast, seconds),
};
// clang-format on

std::string read(const std::string& path) {
  std::ifstream file(tessera::test::source_dir() + path);
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_FALSE(text.str().empty()) << path;
  return text.str();
}

TEST(Abi, NoMemberHasMoved) {
  std::ostringstream found;
  for (const Member& m : members) found << m.of << ' ' << m.name << ' ' << m.offset << ' ' << m.bytes << '\n';
  std::string listed;
  std::istringstream lines(read("/tests/layouts.txt"));
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with('#')) listed += line + '\n';
  EXPECT_EQ(found.str(), listed) << "tests/layouts.txt: add what is new at the end of its struct; what is there stays";
}

// What this file lists is all that there is: between two members, and behind the last one, is no room for another.
TEST(Abi, EveryMemberIsListed) {
  for (const Layout& layout : structs) {
    size_t end = 0, alignment = 1;
    for (const Member& m : members) {
      if (m.of != layout.name) continue;
      EXPECT_GE(m.offset, end) << m.of << '.' << m.name;
      EXPECT_LT(m.offset - end, m.alignment) << "a member is missing before " << m.of << '.' << m.name;
      end = m.offset + m.bytes;
      alignment = std::max(alignment, m.alignment);
    }
    EXPECT_LT(layout.bytes - end, alignment) << "a member is missing at the end of " << layout.name;
  }
}

TEST(Abi, EveryStructIsListed) {
  std::set<std::string> declared, listed;
  for (const char* header : {"/include/tessera/tessera.h", "/include/tessera/upscale.h"}) {
    const std::string text = read(header);
    const std::regex end("\\} (tessera_\\w+);");
    for (std::sregex_iterator at(text.begin(), text.end(), end), none; at != none; ++at) declared.insert((*at)[1]);
  }
  for (const Layout& layout : structs) listed.insert(layout.name);
  for (const std::string& name : declared) {
    if (read("/include/tessera/tessera.h").find("typedef enum " + name) != std::string::npos ||
        read("/include/tessera/upscale.h").find("typedef enum " + name) != std::string::npos)
      continue;
    EXPECT_TRUE(listed.contains(name)) << name;
  }
}

}  // namespace
