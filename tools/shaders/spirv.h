// Numbers of the SPIR-V specification and of its extensions: those that more than one place knows.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace shaders::spirv {

enum Op : uint32_t {
  op_name = 5,
  op_member_name = 6,
  op_extension = 10,
  op_capability = 17,
  op_type_int = 21,
  op_type_float = 22,
  op_type_array = 28,
  op_type_runtime_array = 29,
  op_type_struct = 30,
  op_type_pointer = 32,
  op_constant_true = 41,
  op_constant = 43,
  op_variable = 59,
  op_decorate = 71,
  op_member_decorate = 72,
  op_divide = 136,
  op_khr_type = 4456,
  op_khr_load = 4457,
  op_khr_store = 4458,
  op_khr_multiply = 4459,
  op_khr_length = 4460,
  op_nv_type = 5358,
  op_nv_load = 5359,
  op_nv_store = 5360,
  op_nv_multiply = 5361,
  op_nv_length = 5362,
};

inline constexpr uint32_t nv_capability = 5357, khr_capability = 6022;
inline constexpr size_t header_words = 5;  ///< before the first instruction

/// Calls take(opcode, words, count) for each instruction, its first word among them.
template <class Take>
void for_each_instruction(const std::vector<uint32_t>& words, Take take) {
  for (size_t at = header_words; at < words.size();) {
    const uint32_t* w = &words[at];
    const uint32_t count = w[0] >> 16;
    if (count == 0 || at + count > words.size()) throw std::runtime_error("SPIR-V ends within an instruction");
    take(static_cast<Op>(w[0] & 0xffff), w, count);
    at += count;
  }
}

/// The text that begins in the first of `count` words.
inline std::string text(const uint32_t* words, size_t count) {
  const auto* bytes = reinterpret_cast<const char*>(words);
  return {bytes, strnlen(bytes, count * sizeof(uint32_t))};
}

}  // namespace shaders::spirv
