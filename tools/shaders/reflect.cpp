#include "reflect.h"

#include <map>
#include <stdexcept>

#include "spirv.h"

namespace shaders {
namespace {

using namespace spirv;

// Numbers of the specification that are known here alone.
enum Decoration : uint32_t {
  spec_id = 1,
  block = 2,
  array_stride = 6,
  non_writable = 24,
  non_readable = 25,
  binding = 33,
  offset = 35,
};

constexpr uint32_t uniform_storage = 2;  // a class of variables

using Decorations = std::map<uint32_t, uint32_t>;  // and their operand, if there is one

// What is said of one id.
struct Id {
  std::string name;
  Decorations decorations;
  std::map<uint32_t, std::string> member_names;
  std::map<uint32_t, Decorations> member_decorations;
  uint32_t element = 0;  // type of an array's elements, of a struct's first member, of what a pointer points to, ...
  uint32_t float_bits = 0;
  uint32_t storage = 0;  // class of a variable
};

std::map<uint32_t, Id> read_ids(const std::vector<uint32_t>& words) {
  std::map<uint32_t, Id> ids;
  for_each_instruction(words, [&](Op op, const uint32_t* w, uint32_t count) {
    switch (op) {
      case op_name: ids[w[1]].name = text(w + 2, count - 2); break;
      case op_member_name: ids[w[1]].member_names[w[2]] = text(w + 3, count - 3); break;
      case op_decorate: ids[w[1]].decorations[w[2]] = count > 3 ? w[3] : 0; break;
      case op_member_decorate: ids[w[1]].member_decorations[w[2]][w[3]] = count > 4 ? w[4] : 0; break;
      case op_type_float: ids[w[1]].float_bits = w[2]; break;
      case op_type_struct:
        if (count > 2) ids[w[1]].element = w[2];
        break;
      case op_type_array:
      case op_type_runtime_array: ids[w[1]].element = w[2]; break;
      case op_type_pointer: ids[w[1]].element = w[3]; break;
      case op_variable:
        ids[w[2]].element = w[1];
        ids[w[2]].storage = w[3];
        break;
      default: break;
    }
  });
  return ids;
}

std::vector<uint32_t> read_capabilities(const std::vector<uint32_t>& words) {
  std::vector<uint32_t> capabilities;
  for_each_instruction(words, [&](Op op, const uint32_t* w, uint32_t) {
    if (op == op_capability) capabilities.push_back(w[1]);
  });
  return capabilities;
}

bool always(const Id& type, Decoration decoration) {
  for (const auto& [member, decorations] : type.member_decorations)
    if (!decorations.count(decoration)) return false;
  return true;
}

// Two views of one buffer as elements of different types: the name of one begins with that of the other.
Buffer joined(const Buffer& a, const Buffer& b) {
  const std::string& name = a.name.size() < b.name.size() ? a.name : b.name;
  if (!a.name.starts_with(name) || !b.name.starts_with(name))
    throw std::runtime_error("buffers " + a.name + " and " + b.name + " have the same binding");
  return {name, a.reads || b.reads, a.writes || b.writes, a.halves && b.halves, a.uniform && b.uniform};
}

}  // namespace

Reflection reflect(const std::vector<uint32_t>& words) {
  std::map<uint32_t, Id> ids = read_ids(words);
  Reflection result;
  result.capabilities = read_capabilities(words);
  std::map<uint32_t, Buffer> buffers;
  for (auto& [number, id] : ids) {
    if (const auto found = id.decorations.find(binding); found != id.decorations.end()) {
      const Id& type = ids[ids[id.element].element];
      const bool halves = ids[ids[type.element].element].float_bits == 16;
      const bool uniform = id.storage == uniform_storage;
      const Buffer buffer{type.member_names.at(0), !always(type, non_readable), !uniform && !always(type, non_writable),
                          halves, uniform};
      if (const auto [other, added] = buffers.try_emplace(found->second, buffer); !added)
        other->second = joined(other->second, buffer);
    }
    if (const auto found = id.decorations.find(spec_id); found != id.decorations.end())
      result.constants.push_back({id.name.empty() ? "local_size" : id.name, found->second});
  }
  for (auto& [number, buffer] : buffers) {
    if (number != result.buffers.size())
      throw std::runtime_error("no buffer that is used has binding " + std::to_string(result.buffers.size()));
    result.buffers.push_back(std::move(buffer));
  }
  for (const auto& [number, id] : ids) {
    if (id.decorations.count(block) || id.member_decorations.empty() || !id.member_decorations.at(0).count(offset))
      continue;
    Struct layout{id.name, 0, {}};
    for (const auto& [member, decorations] : id.member_decorations)
      layout.members.push_back({id.member_names.at(member), decorations.at(offset)});
    for (const auto& [other, array] : ids)
      if (array.element == number && array.decorations.count(array_stride))
        layout.array_stride = array.decorations.at(array_stride);
    result.structs.push_back(std::move(layout));
  }
  return result;
}

}  // namespace shaders
