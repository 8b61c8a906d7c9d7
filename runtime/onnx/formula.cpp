#include "runtime/onnx/formula.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

namespace tessera::onnx {
namespace {

constexpr int newest_standard = 28;  // the opset that formulas are written in

bool is_letter(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

struct Literal {
  std::vector<int64_t> integers;
  std::vector<float> reals;
  Text text;
  bool list = false, real = false, is_text = false, given = true;
};

class Reader {
 public:
  Reader(const Node& node, Text formula, Strings& strings) : attrs_(node), strings_(strings), rest_(formula) {}

  Signature signature() {
    made_.name = attrs_.node().op->name;
    std::vector<Text> in = names("->");
    return {std::move(in), names(":")};
  }

  proto::Function read() {
    Signature own = signature();
    made_.input = std::move(own.in);
    made_.output = std::move(own.out);
    made_.opset_import = {{"", newest_standard}, {"com.microsoft", 1}};
    while (!rest_.empty()) statement();
    for (size_t i = 0; i < attrs_.node().out.size(); ++i) {
      const Text name = made_.output[i];
      if (attrs_.node().out[i] == absent || defined_.contains(name)) continue;
      const std::string& wanted = unmet_[name];
      fail(Error::Kind::unsupported, "makes no \"", name, "\" with these attributes and inputs",
           wanted.empty() ? "" : ", but ", wanted);
    }
    return std::move(made_);
  }

 private:
  // --- Text ---
  char next() {
    while (!rest_.empty() && rest_.front() == ' ') rest_.remove_prefix(1);
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool take(Text mark) {
    next();
    if (!rest_.starts_with(mark)) return false;
    rest_.remove_prefix(mark.size());
    return true;
  }
  void expect(Text mark) {
    if (!take(mark)) fail(Error::Kind::usage, "formula of ", made_.name, ": \"", mark, "\" before \"", rest_, '"');
  }
  Text word() {
    next();
    size_t end = 0;
    while (end < rest_.size() && is_letter(rest_[end])) ++end;
    const Text found = rest_.substr(0, end);
    if (found.empty()) fail(Error::Kind::usage, "formula of ", made_.name, ": a name before \"", rest_, '"');
    rest_.remove_prefix(end);
    return found;
  }
  std::vector<Text> names(Text end) {
    std::vector<Text> list;
    while (!take(end)) {
      list.push_back(word());
      take(",");
    }
    return list;
  }

  // --- Lines ---
  bool has(Text name) const {
    const Node& node = attrs_.node();
    for (size_t i = 0; i < made_.input.size(); ++i)
      if (made_.input[i] == name) return i < node.in.size() && node.in[i] != absent;
    for (size_t i = 0; i < made_.output.size(); ++i)
      if (made_.output[i] == name) return i < node.out.size() && node.out[i] != absent;
    fail(Error::Kind::usage, "formula of ", made_.name, ": \"", name, "\" is no input and no output");
  }

  bool condition() {
    if (!take("$")) return has(word());
    const Text name = word();
    if (take("=")) {
      const Text wanted = word();
      const Literal value = own(name);
      return !value.is_text && !value.integers.empty() ? cat(value.integers[0]) == wanted : value.text == wanted;
    }
    const Attr* given = find_attr(*attrs_.node().attrs, name);
    if (given && !std::holds_alternative<int64_t>(*given)) return true;
    return attrs_.integer(name) != 0;
  }

  // Without `$`, and without the space that it ends in.
  static Text trimmed(Text name) {
    if (name.starts_with('$')) name.remove_prefix(1);
    return name.substr(0, name.find(' '));
  }

  void statement() {
    bool counts = true;
    std::string wanted;  // in words
    for (;;) {
      const bool yes = take("?");
      if (!yes && !take("!")) break;
      Text before = rest_;
      counts &= condition() == yes;
      before.remove_suffix(rest_.size());
      wanted += cat(wanted.empty() ? "" : " and ", yes ? "with " : "without ", trimmed(before));
    }
    if (!counts) {
      for (const Text name : names("=")) unmet_[name] += (unmet_[name].empty() ? "" : ", or ") + wanted;
      rest_.remove_prefix(std::min(rest_.find(';'), rest_.size()));
      take(";");
      return;
    }
    std::vector<Text> outs;
    for (const Text name : names("=")) outs.push_back(name == "_" ? Text{} : name);
    expression(outs);
    for (const Text name : outs) defined_.insert(name);
    if (!take(";") && next()) expect(";");
  }

  // A value's name; the results bear the names in `outs`, if there are any.
  Text expression(std::vector<Text> outs) {
    const char c = next();
    if (c == '$' || c == '-' || c == '[' || (c >= '0' && c <= '9')) return constant(literal(), std::move(outs));
    Text domain, name = word();
    if (name == "ms" && take(".")) domain = "com.microsoft", name = word();
    if (const char behind = next(); behind == '<' || behind == '(') return call(domain, name, std::move(outs));
    const auto known = aliases_.find(name);
    const Text meant = name == "_" ? Text{} : known == aliases_.end() ? name : known->second;
    if (outs.empty()) return meant;
    if (std::find(made_.output.begin(), made_.output.end(), outs[0]) == made_.output.end())
      aliases_[outs[0]] = meant;
    else
      add("", "Identity", {meant}, outs);
    return outs[0];
  }

  Text call(Text domain, Text name, std::vector<Text> outs) {
    std::vector<proto::Attribute> attributes;
    if (take("<"))
      while (!take(">")) {
        const Text key = word();
        expect("=");
        if (const Literal value = literal(); value.given) attributes.push_back(attribute(key, value));
        take(",");
      }
    std::vector<Text> in;
    expect("(");
    while (!take(")")) {
      in.push_back(expression({}));
      take(",");
    }
    if (outs.empty()) outs.push_back(fresh());
    proto::Node& node = add(domain, name, std::move(in), outs);
    node.attribute = std::move(attributes);
    return outs[0];
  }

  proto::Node& add(Text domain, Text name, std::vector<Text> in, const std::vector<Text>& outs) {
    made_.node.emplace_back();
    proto::Node& node = made_.node.back();
    node.domain = domain;
    node.op_type = node.name = name;
    node.input = std::move(in);
    node.output = outs;
    return node;
  }

  Text fresh() { return strings_.keep(cat('#', ++fresh_)); }

  // --- Numbers ---
  void number(Literal& literal) {
    next();
    const size_t end = std::min(rest_.find_first_not_of("+-.0123456789e"), rest_.size());
    const std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end);
    literal.real |= text.find('.') != std::string::npos || text.find('e') != std::string::npos;
    literal.integers.push_back(std::strtoll(text.c_str(), nullptr, 10));
    literal.reals.push_back(std::strtof(text.c_str(), nullptr));
  }

  Literal literal() {
    Literal made;
    const char c = next();
    if (take("$")) {
      made = own(word());
      if (take("'")) invert(made);
      return made;
    }
    if (take("[")) {
      made.list = true;
      while (!take("]")) {
        if (take("$")) {
          const Literal one = own(word());
          made.integers.insert(made.integers.end(), one.integers.begin(), one.integers.end());
          made.reals.insert(made.reals.end(), one.reals.begin(), one.reals.end());
        } else {
          number(made);
        }
        take(",");
      }
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      number(made);
    } else {
      made.text = word();
      made.is_text = true;
    }
    return made;
  }

  static void invert(Literal& order) {
    const std::vector<int64_t> from = order.integers;
    for (size_t i = 0; i < from.size(); ++i) {
      if (from[i] < 0 || from[i] >= static_cast<int64_t>(from.size()))
        fail(Error::Kind::model, "a permutation has ", from[i]);
      order.integers[static_cast<size_t>(from[i])] = static_cast<int64_t>(i);
    }
  }

  // The value of the node's own attribute.
  Literal own(Text name) {
    Literal otherwise, made;
    otherwise.given = false;
    if (take("|")) otherwise = literal();
    const Attr* attr = find_attr(*attrs_.node().attrs, name);
    if (!attr) {
      if (otherwise.given) return otherwise;
      const OpDef& op = *attrs_.node().op;
      const auto row =
          std::find_if(op.attrs.begin(), op.attrs.end(), [&](const AttrDef& def) { return def.name == name; });
      if (row == op.attrs.end()) fail(Error::Kind::usage, "formula of ", op.name, ": no attribute \"", name, '"');
      made.text = row->text;
      made.is_text = !made.text.empty();
      made.given = made.is_text || row->number != 0;
      made.integers.push_back(static_cast<int64_t>(row->number));
      made.reals.push_back(static_cast<float>(row->number));
      return made;
    }
    if (const auto* one = std::get_if<int64_t>(attr)) {
      made.integers.push_back(*one);
      made.reals.push_back(static_cast<float>(*one));
    } else if (const auto* real = std::get_if<float>(attr)) {
      made.real = true;
      made.reals.push_back(*real);
      made.integers.push_back(0);
    } else if (const auto* text = std::get_if<std::string>(attr)) {
      made.text = *text;
      made.is_text = true;
    } else if (const auto* list = std::get_if<std::vector<int64_t>>(attr)) {
      made.list = true;
      made.integers = *list;
      made.reals.assign(list->begin(), list->end());
    } else if (const auto* reals = std::get_if<std::vector<float>>(attr)) {
      made.list = made.real = true;
      made.reals = *reals;
      made.integers.resize(reals->size());
    } else {
      fail(Error::Kind::model, "attribute \"", name, "\" is no number, text or list of numbers");
    }
    return made;
  }

  static proto::Attribute attribute(Text name, const Literal& value) {
    proto::Attribute made;
    made.name = name;
    if (value.is_text) {
      made.type = 3;  // AttributeProto.STRING
      made.s = value.text;
    } else if (!value.list) {
      if (value.real) made.f = value.reals.at(0);
      if (!value.real) made.i = value.integers.at(0);
    } else if (value.real) {
      made.type = 6;  // AttributeProto.FLOATS
      for (const float number : value.reals) {
        uint32_t bits;
        std::memcpy(&bits, &number, sizeof bits);
        made.floats.append(bits, Wire::fixed32);
      }
    } else {
      made.type = 7;  // AttributeProto.INTS
      for (const int64_t number : value.integers) made.ints.append(static_cast<uint64_t>(number), Wire::varint);
    }
    return made;
  }

  Text constant(const Literal& value, std::vector<Text> outs) {
    if (outs.empty()) outs.push_back(fresh());
    proto::Node& node = add("", "Constant", {}, outs);
    const Text names[] = {"value_int", "value_float", "value_ints", "value_floats"};
    node.attribute.push_back(attribute(names[2 * value.list + value.real], value));
    return outs[0];
  }

  const AttrReader attrs_;
  Strings& strings_;
  Text rest_;
  proto::Function made_;
  std::unordered_map<Text, Text> aliases_;  // names of what has another name already
  std::unordered_set<Text> defined_;
  std::unordered_map<Text, std::string> unmet_;  // what lines that do not count want, by what they would make
  int fresh_ = 0;
};

}  // namespace

Signature signature_of(const Node& node, Text formula) {
  Strings unused;
  return Reader(node, formula, unused).signature();
}

proto::Function function_of(const Node& node, Text formula, Strings& strings) {
  return Reader(node, formula, strings).read();
}

}  // namespace tessera::onnx
