#include "runtime/graph/types.h"

#include <algorithm>

namespace tessera {
namespace {

using Set = uint32_t;
constexpr Set bit(DType type) { return 1u << static_cast<int>(type); }

template <class... Types>
constexpr Set set_of(Types... types) {
  return (bit(types) | ...);
}

constexpr Set signed_integers = set_of(DType::int8, DType::int16, DType::int32, DType::int64);
constexpr Set unsigned_integers = set_of(DType::uint8, DType::uint16, DType::uint32, DType::uint64);
constexpr Set integers = signed_integers | unsigned_integers;
constexpr Set floats = set_of(DType::float16, DType::bfloat16, DType::float32, DType::float64);
constexpr Set everything = ((1u << dtype_count) - 1) & ~bit(DType::undefined);

struct Class {
  Text name;
  Set set;
};
constexpr Class classes[] = {
    {"all", everything},
    {"fixed", everything & ~bit(DType::string)},
    {"float", floats},
    {"numeric", floats | integers},
    {"integer", integers},
    {"signed", floats | signed_integers},
    {"complex", set_of(DType::complex64, DType::complex128)},
};

Text trim(Text text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The part of `text` before `mark`, which is taken off; the whole if there is none.
Text take(Text& text, Text mark) {
  const size_t at = text.find(mark);
  const Text part = text.substr(0, at);
  text = at == Text::npos ? Text{} : text.substr(at + mark.size());
  return trim(part);
}

Set parse_set(Text text) {
  Set set = 0;
  while (!text.empty()) {
    const Text word = take(text, "|");
    Set found = 0;
    for (const Class& c : classes)
      if (c.name == word) found = c.set;
#define X(dtype, number, bits) \
  if (word == #dtype) found = bit(DType::dtype);
    TESSERA_DTYPES(X)
#undef X
    set |= found;
  }
  return set;
}

struct Variable {
  Text name;
  Set set = 0;
  DType bound = DType::undefined;
};

struct Signature {
  std::vector<Variable> variables;
  Text inputs, outputs;

  explicit Signature(Text types) {
    Text head = types.find(':') == Text::npos ? Text{} : take(types, ":");
    while (!head.empty()) {
      Text definition = take(head, ";");
      const Text name = take(definition, "=");
      variables.push_back({name, parse_set(definition)});
    }
    inputs = take(types, "->");
    outputs = trim(types);
  }

  // The variable that `word` names; a plain dtype or class is a fresh one each time.
  Variable* find(Text word) {
    for (Variable& v : variables)
      if (v.name == word) return &v;
    return nullptr;
  }
};

// Walks the comma-separated words; the last one repeats when it ends in "...".
struct Words {
  Text rest;
  Text last = {};
  bool repeats = false;

  Text next() {
    if (rest.empty()) return repeats ? last : Text{};
    last = take(rest, ",");
    if (last.ends_with("...")) {
      last.remove_suffix(3);
      repeats = true;
    }
    return last;
  }
};

std::string describe(Set set) {
  for (const Class& c : classes)
    if (c.set == set) return std::string(c.name);
  std::string text;
#define X(dtype, number, bits)         \
  if (set & bit(DType::dtype)) {       \
    if (!text.empty()) text += " or "; \
    text += #dtype;                    \
  }
  TESSERA_DTYPES(X)
#undef X
  return text;
}

}  // namespace

void check_signature(Text types) {
  Signature signature(types);
  const auto check = [&](Text word, Set set) {
    if (!set) fail(Error::Kind::usage, "types \"", types, "\": \"", word, "\" is no data type, class or variable");
  };
  for (const Variable& variable : signature.variables) check(variable.name, variable.set);
  for (const Text side : {signature.inputs, signature.outputs})
    for (Words words{side}; !words.rest.empty();) {
      const Text word = words.next();
      check(word, signature.find(word) ? everything : parse_set(word));
    }
}

void check_types(Text types, List<Type> in, List<DType> given, std::span<DType> out) {
  std::fill(out.begin(), out.end(), DType::undefined);
  if (types.empty()) return;
  Signature signature(types);
  Words words{signature.inputs};
  for (size_t i = 0; i < in.size(); ++i) {
    const Text word = words.next();
    const DType dtype = given[i];
    if (word.empty() || dtype == DType::undefined) continue;
    Variable* variable = signature.find(word);
    const Set set = variable ? variable->set : parse_set(word);
    if (!(set & bit(dtype))) fail(Error::Kind::type, "input ", i, " is ", in[i], ", but must be ", describe(set));
    if (!variable) continue;
    if (variable->bound != DType::undefined && variable->bound != dtype)
      fail(Error::Kind::type, "input ", i, " is ", in[i], ", but must be ", name_of(variable->bound),
           " like the inputs before it");
    variable->bound = dtype;
  }
  Words results{signature.outputs};
  for (DType& dtype : out) {
    const Text word = results.next();
    if (word.empty()) break;
    if (const Variable* variable = signature.find(word)) {
      dtype = variable->bound;
    } else {
      const Set set = parse_set(word);
      for (int i = 1; i < dtype_count; ++i)
        if (set == 1u << i) dtype = static_cast<DType>(i);
    }
  }
}

}  // namespace tessera
