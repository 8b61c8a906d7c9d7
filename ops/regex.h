// A regular expression in RE2's syntax as a list of instructions, matched in time linear in the
// text: all threads of the automaton step through it together, so that no pattern can blow up.
#pragma once

#include <algorithm>
#include <vector>

#include "ops/elements.h"
#include "runtime/base/base.h"

namespace tessera::ops {

class Regex {
 public:
  using RunText = std::basic_string<char32_t, std::char_traits<char32_t>, RunAllocator<char32_t>>;

  /// Throws Error::model for a pattern that is malformed or uses what is not known.
  explicit Regex(Text pattern) {
    Parser parser{pattern, *this};
    parser.parse();
  }

  /// Whether the whole of `text`, taken as UTF-8, matches.
  bool matches(Text text) const {
    const RunText points = decode(text);
    return longest(points, 0) == points.size();
  }

  /// Where the longest match that begins at `begin` ends; npos if there is none.
  size_t longest(const RunText& points, size_t begin) const {
    RunVector<size_t> now, next;
    RunVector<char> seen(code_.size());
    size_t end = Text::npos;
    add(0, points, begin, now, seen);
    for (size_t i = begin; !now.empty(); ++i) {
      check_cancelled();
      if (std::any_of(now.begin(), now.end(), [&](size_t at) { return code_[at].op == Op::match; })) end = i;
      if (i == points.size()) break;
      std::fill(seen.begin(), seen.end(), 0);
      next.clear();
      for (const size_t at : now)
        if (code_[at].op == Op::set && accepts(sets_[code_[at].x], points[i])) add(at + 1, points, i + 1, next, seen);
      now.swap(next);
    }
    return end;
  }

  static RunText decode(Text text) {
    RunText points;
    for (size_t i = 0; i < text.size();) {
      const size_t next = behind_point(text, i);
      const auto byte = static_cast<unsigned char>(text[i]);
      char32_t point = byte >= 0xF0 ? byte & 0x07 : byte >= 0xE0 ? byte & 0x0F : byte >= 0xC0 ? byte & 0x1F : byte;
      while (++i < next) point = point << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
      points.push_back(point);
    }
    return points;
  }

  /// Where the point of UTF-8 that begins at `i` ends.
  static size_t behind_point(Text text, size_t i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    size_t more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
    for (++i; more > 0 && i < text.size() && (text[i] & 0xC0) == 0x80; --more) ++i;
    return i;
  }

 private:
  enum class Op { set, split, jump, begin, end, word, no_word, match };
  struct Instruction {
    Op op;
    size_t x = 0, y = 0;  // set: its number; split, jump: where to
  };
  struct Set {
    RunVector<std::pair<char32_t, char32_t>> ranges;
    bool negated = false;
  };

  static constexpr size_t code_limit = 100'000;
  static constexpr char32_t last_point = 0x10FFFF;

  static bool accepts(const Set& set, char32_t point) {
    for (const auto& [from, to] : set.ranges)
      if (point >= from && point <= to) return !set.negated;
    return set.negated;
  }

  static bool is_word(char32_t c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  }

  // Follows jumps from `at` at position i of the text; a stack instead of recursion.
  void add(size_t at, const RunText& text, size_t i, RunVector<size_t>& threads, RunVector<char>& seen) const {
    RunVector<size_t> open{at};
    while (!open.empty()) {
      at = open.back();
      open.pop_back();
      if (seen[at]) continue;
      seen[at] = 1;
      const bool border = (i > 0 && is_word(text[i - 1])) != (i < text.size() && is_word(text[i]));
      switch (code_[at].op) {
        case Op::jump: open.push_back(code_[at].x); break;
        case Op::split: open.insert(open.end(), {code_[at].x, code_[at].y}); break;
        case Op::begin:
          if (i == 0) open.push_back(at + 1);
          break;
        case Op::end:
          if (i == text.size()) open.push_back(at + 1);
          break;
        case Op::word:
          if (border) open.push_back(at + 1);
          break;
        case Op::no_word:
          if (!border) open.push_back(at + 1);
          break;
        case Op::set:
        case Op::match: threads.push_back(at); break;
      }
    }
  }

  struct Parser {
    Text pattern;
    Regex& regex;
    RunText text = {};
    size_t at = 0;
    int depth = 0;
    bool fold = false, dot_all = false;  // flags i and s

    void parse() {
      text = decode(pattern);
      alternatives();
      if (at < text.size()) wrong("a group is closed that was not opened");
      emit({Op::match});
    }

    [[noreturn]] void wrong(Text why) const { fail(Error::Kind::model, "pattern \"", pattern, "\": ", why); }

    bool more() const { return at < text.size(); }
    bool take(char32_t c) { return more() && text[at] == c ? ++at, true : false; }

    size_t emit(Instruction instruction) {
      if (regex.code_.size() >= code_limit) wrong("too long");
      regex.code_.push_back(instruction);
      return regex.code_.size() - 1;
    }

    // Makes room for one instruction at `place`; what follows moves by one, jumps with it.
    void insert(size_t place, Instruction instruction) {
      emit({Op::jump});
      auto& code = regex.code_;
      std::rotate(code.begin() + static_cast<ptrdiff_t>(place), code.end() - 1, code.end());
      for (size_t i = place + 1; i < code.size(); ++i) {
        if (code[i].op != Op::split && code[i].op != Op::jump) continue;
        if (code[i].x >= place) ++code[i].x;
        if (code[i].op == Op::split && code[i].y >= place) ++code[i].y;
      }
      code[place] = instruction;
    }

    void alternatives() {
      if (++depth > 200) wrong("groups are nested too deeply");
      const bool outer_fold = fold, outer_dot_all = dot_all;
      const size_t begin = regex.code_.size();
      sequence();
      while (take('|')) {
        insert(begin, {Op::split, begin + 1, regex.code_.size() + 2});
        const size_t leave = emit({Op::jump});
        sequence();
        regex.code_[leave].x = regex.code_.size();
      }
      fold = outer_fold, dot_all = outer_dot_all;
      --depth;
    }

    void sequence() {
      while (more() && text[at] != '|' && text[at] != ')') {
        const size_t begin = regex.code_.size();
        atom();
        while (more() && repeat(begin)) {
        }
      }
    }

    // A number in braces; npos if there is none.
    size_t number() {
      if (!more() || text[at] < '0' || text[at] > '9') return Text::npos;
      size_t value = 0;
      for (; more() && text[at] >= '0' && text[at] <= '9'; ++at)
        if ((value = value * 10 + (text[at] - '0')) > 1000) wrong("a repetition is above 1000");
      return value;
    }

    bool repeat(size_t begin) {
      size_t least = 0, most = Text::npos;
      const size_t start = at;
      if (take('*')) {
      } else if (take('+')) {
        least = 1;
      } else if (take('?')) {
        most = 1;
      } else if (take('{')) {
        least = most = number();
        if (least != Text::npos && take(',')) most = number();
        if (least == Text::npos || !take('}')) {
          // Braces that are no repetition stand for themselves.
          at = start;
          return false;
        }
        if (most < least) wrong("a repetition ends before it begins");
      } else {
        return false;
      }
      take('?');  // lazy or not does not change what matches as a whole
      expand(begin, least, most);
      return true;
    }

    // Repeats what was emitted from `begin` on.
    void expand(size_t begin, size_t least, size_t most) {
      const RunVector<Instruction> body(regex.code_.begin() + static_cast<ptrdiff_t>(begin), regex.code_.end());
      regex.code_.resize(begin);
      const auto copy = [&] {
        const size_t offset = regex.code_.size() - begin;
        for (Instruction instruction : body) {
          if (instruction.op == Op::split) instruction.y += offset;
          if (instruction.op == Op::split || instruction.op == Op::jump) instruction.x += offset;
          emit(instruction);
        }
      };
      for (size_t i = 0; i < least; ++i) copy();
      if (most == Text::npos) {
        const size_t loop = emit({Op::split, regex.code_.size() + 1, 0});
        copy();
        emit({Op::jump, loop});
        regex.code_[loop].y = regex.code_.size();
        return;
      }
      RunVector<size_t> leaves;
      for (size_t i = least; i < most; ++i) {
        leaves.push_back(emit({Op::split, regex.code_.size() + 1, 0}));
        copy();
      }
      for (const size_t leave : leaves) regex.code_[leave].y = regex.code_.size();
    }

    void emit_set(Set set) {
      if (fold) {
        const size_t count = set.ranges.size();
        for (size_t i = 0; i < count; ++i)
          for (const auto& [first, distance] : {std::pair{U'A', 32}, std::pair{U'a', -32}}) {
            const char32_t last = first + 25;
            const char32_t from = std::max(set.ranges[i].first, first), to = std::min(set.ranges[i].second, last);
            if (from <= to)
              set.ranges.emplace_back(static_cast<char32_t>(static_cast<int>(from) + distance),
                                      static_cast<char32_t>(static_cast<int>(to) + distance));
          }
      }
      regex.sets_.push_back(std::move(set));
      emit({Op::set, regex.sets_.size() - 1});
    }

    void atom() {
      const char32_t c = text[at++];
      switch (c) {
        case '(': return group();
        case '[': return bracket();
        case '.': return emit_set(dot_all ? Set{{{0, last_point}}} : Set{{{'\n', '\n'}}, true});
        case '^': emit({Op::begin}); return;
        case '$': emit({Op::end}); return;
        case '*':
        case '+':
        case '?': wrong("a repetition has nothing to repeat");
        case '\\': return escape();
        default: return emit_set({{{c, c}}});
      }
    }

    void group() {
      const bool outer_fold = fold, outer_dot_all = dot_all;
      if (take('?')) {
        if (take('P') || (more() && text[at] == '<')) {
          while (more() && !take('>')) ++at;
        } else if (flags()) {
          return;
        }
      }
      alternatives();
      if (!take(')')) wrong("a group is not closed");
      fold = outer_fold, dot_all = outer_dot_all;
    }

    // Flags after "(?"; true if they stand alone and hold for the rest of the enclosing group.
    bool flags() {
      for (bool on = true; more(); ++at) {
        const char32_t c = text[at];
        if (c == 'i')
          fold = on;
        else if (c == 's')
          dot_all = on;
        else if (c == '-')
          on = false;
        else if (c == ':')
          return ++at, false;
        else if (c == ')')
          return ++at, true;
        else if (c != 'm' && c != 'U')
          wrong("a group of an unknown kind");
      }
      wrong("a group is not closed");
    }

    // Adds what \d, \s, \w stand for; the upper-case letters their complement.
    static bool add_class(char32_t letter, Set& set) {
      static const RunVector<std::pair<char32_t, char32_t>> digits{{'0', '9'}},
          blanks{{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}, words{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
      const char32_t lower = letter | 32;
      if (lower != 'd' && lower != 's' && lower != 'w') return false;
      const auto& ranges = lower == 'd' ? digits : lower == 's' ? blanks : words;
      if (letter == lower) {
        set.ranges.insert(set.ranges.end(), ranges.begin(), ranges.end());
        return true;
      }
      char32_t from = 0;
      for (const auto& [first, last] : ranges) {
        set.ranges.emplace_back(from, first - 1);
        from = last + 1;
      }
      set.ranges.emplace_back(from, last_point);
      return true;
    }

    // The point that an escape other than a class stands for; `at` is behind the backslash.
    char32_t escaped() {
      if (!more()) wrong("ends in a backslash");
      const char32_t c = text[at++];
      switch (c) {
        case 'n': return '\n';
        case 't': return '\t';
        case 'r': return '\r';
        case 'f': return '\f';
        case 'v': return '\v';
        case 'a': return '\a';
        case 'x': return hexadecimal();
        default: break;
      }
      if ((c >= '0' && c <= '9') || (c | 32) - U'a' < 26) wrong("an escape is not known");
      return c;
    }

    char32_t hexadecimal() {
      const bool braces = take('{');
      char32_t value = 0;
      for (size_t digits = 0; more() && (braces ? text[at] != '}' : digits < 2); ++digits, ++at) {
        const char32_t c = text[at] | 32;
        const char32_t digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
        if (digit > 15 || digits > 6) wrong("a hexadecimal number is malformed");
        value = value * 16 + digit;
      }
      if (braces && !take('}')) wrong("a brace is not closed");
      return value;
    }

    void escape() {
      if (!more()) wrong("ends in a backslash");
      Set set;
      const char32_t c = text[at];
      if (c == 'b' || c == 'B' || c == 'A' || c == 'z') {
        ++at;
        emit({c == 'b' ? Op::word : c == 'B' ? Op::no_word : c == 'A' ? Op::begin : Op::end});
      } else if (add_class(c, set)) {
        ++at;
        emit_set(std::move(set));
      } else {
        const char32_t point = escaped();
        emit_set({{{point, point}}});
      }
    }

    // "[:alpha:]" and the like, the bracket already taken.
    bool named_class(Set& set) {
      struct Named {
        Text name;
        RunVector<std::pair<char32_t, char32_t>> ranges;
      };
      static const Named names[] = {{"alpha", {{'A', 'Z'}, {'a', 'z'}}},
                                    {"digit", {{'0', '9'}}},
                                    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
                                    {"upper", {{'A', 'Z'}}},
                                    {"lower", {{'a', 'z'}}},
                                    {"space", {{'\t', '\r'}, {' ', ' '}}},
                                    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
                                    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
                                    {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}}};
      for (const Named& named : names) {
        const std::string spelled = cat(":", named.name, ":]");
        if (text.compare(at, spelled.size(), RunText(spelled.begin(), spelled.end())) != 0) continue;
        at += spelled.size();
        set.ranges.insert(set.ranges.end(), named.ranges.begin(), named.ranges.end());
        return true;
      }
      return false;
    }

    void bracket() {
      Set set;
      set.negated = take('^');
      for (bool first = true; first || !take(']'); first = false) {
        if (!more()) wrong("a bracket is not closed");
        char32_t from = text[at++];
        if (from == '[' && named_class(set)) continue;
        if (from == '\\') {
          if (more() && add_class(text[at], set)) {
            ++at;
            continue;
          }
          from = escaped();
        }
        char32_t to = from;
        if (at + 1 < text.size() && text[at] == '-' && text[at + 1] != ']') {
          to = text[++at];
          ++at;
          if (to == '\\') to = escaped();
          if (to < from) wrong("a range ends before it begins");
        }
        set.ranges.emplace_back(from, to);
      }
      emit_set(std::move(set));
    }
  };

  RunVector<Instruction> code_;
  RunVector<Set> sets_;
};

}  // namespace tessera::ops
