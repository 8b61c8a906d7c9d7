#include "matrices.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "spirv.h"

namespace shaders {
namespace {

using namespace spirv;

constexpr uint32_t use_a = 0, use_b = 1, use_accumulator = 2;
const std::string nv_extension = "SPV_NV_cooperative_matrix", khr_extension = "SPV_KHR_cooperative_matrix";

using Instruction = std::vector<uint32_t>;  // the first word without its count

class Module {
 public:
  explicit Module(const std::vector<uint32_t>& words) : header_(words.begin(), words.begin() + header_words) {
    for_each_instruction(words, [&](Op op, const uint32_t* w, uint32_t count) {
      Instruction& instruction = instructions_.emplace_back(w, w + count);
      instruction[0] = op;
      note(instruction);
    });
  }

  bool has_matrices() const { return !components_.empty(); }
  bool divides_matrices() const {
    return std::any_of(instructions_.begin(), instructions_.end(),
                       [&](const Instruction& i) { return i[0] == op_divide && components_.count(i[1]); });
  }

  std::vector<uint32_t> rewritten() {
    if (!uint_type_) throw std::runtime_error("a module with matrices has no type uint");
    std::vector<Instruction> out;
    for (const Instruction& instruction : instructions_) out.push_back(rewritten(instruction));
    std::vector<uint32_t> words = header_;
    words[3] += static_cast<uint32_t>(constants_.size());
    for (const Instruction& instruction : out) {
      append(instruction, words);
      // Constants precede all that could use them.
      if (instruction[0] == op_type_int && instruction[1] == uint_type_)
        for (const auto& [value, id] : constants_) append({op_constant, uint_type_, id, value}, words);
    }
    return words;
  }

 private:
  static void append(const Instruction& instruction, std::vector<uint32_t>& words) {
    words.push_back(static_cast<uint32_t>(instruction.size()) << 16 | instruction[0]);
    words.insert(words.end(), instruction.begin() + 1, instruction.end());
  }

  static bool names(const Instruction& instruction, const std::string& name) {
    return text(&instruction[1], instruction.size() - 1) == name;
  }

  void note(const Instruction& i) {
    switch (i[0]) {
      case op_type_int:
        if (i[2] == 32 && i[3] == 0) uint_type_ = i[1];
        signed_[i[1]] = i[3] != 0;
        break;
      case op_constant_true: true_.insert(i[2]); break;
      case op_nv_type: components_[i[1]] = i[2]; break;
      default: break;
    }
    // Which type a matrix has is known from what makes it, and all that take it follow.
    if (i.size() > 2 && components_.count(i[1])) types_[i[2]] = i[1];
    if (i[0] == op_nv_multiply) {
      set_use(types_.at(i[3]), use_a);
      set_use(types_.at(i[4]), use_b);
      set_use(i[1], use_accumulator);
    }
  }

  void set_use(uint32_t type, uint32_t use) {
    if (uses_.try_emplace(type, use).first->second != use)
      throw std::runtime_error("one type of matrices is used as two operands of products");
  }

  // The id of a constant of type uint.
  uint32_t constant(uint32_t value) {
    return constants_.try_emplace(value, header_[3] + static_cast<uint32_t>(constants_.size())).first->second;
  }
  uint32_t layout(uint32_t column_major) { return constant(true_.count(column_major)); }
  bool is_signed(uint32_t matrix_type) const {
    const auto found = signed_.find(components_.at(matrix_type));
    return found != signed_.end() && found->second;
  }

  Instruction rewritten(Instruction i) {
    switch (i[0]) {
      case op_capability:
        if (i[1] == nv_capability) i[1] = khr_capability;
        break;
      case op_extension:
        if (names(i, nv_extension)) std::memcpy(&i[1], khr_extension.c_str(), khr_extension.size());
        break;
      case op_nv_type:
        i[0] = op_khr_type;
        i.push_back(constant(uses_.count(i[1]) ? uses_.at(i[1]) : use_accumulator));
        break;
      case op_nv_load:  // type, result, pointer, stride, column major
        i[0] = op_khr_load;
        i[5] = layout(i[5]);
        std::swap(i[4], i[5]);
        break;
      case op_nv_store:  // pointer, object, stride, column major
        i[0] = op_khr_store;
        i[4] = layout(i[4]);
        std::swap(i[3], i[4]);
        break;
      case op_nv_multiply:
        i[0] = op_khr_multiply;
        if (const uint32_t mask = is_signed(types_.at(i[3])) | is_signed(types_.at(i[4])) << 1 |
                                  is_signed(types_.at(i[5])) << 2 | is_signed(i[1]) << 3)
          i.push_back(mask);
        break;
      case op_nv_length: i[0] = op_khr_length; break;
      default: break;
    }
    return i;
  }

  std::vector<uint32_t> header_;
  std::vector<Instruction> instructions_;
  uint32_t uint_type_ = 0;
  std::map<uint32_t, bool> signed_;          // of integer types
  std::set<uint32_t> true_;                  // ids of constants
  std::map<uint32_t, uint32_t> components_;  // of types of matrices
  std::map<uint32_t, uint32_t> types_;       // of matrices
  std::map<uint32_t, uint32_t> uses_;        // of types of matrices
  std::map<uint32_t, uint32_t> constants_;   // new ones: value, id
};

}  // namespace

std::vector<uint32_t> to_khr_matrices(const std::vector<uint32_t>& words) {
  Module module(words);
  return module.has_matrices() ? module.rewritten() : words;
}

bool divides_matrices(const std::vector<uint32_t>& words) { return Module(words).divides_matrices(); }

}  // namespace shaders
