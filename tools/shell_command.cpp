// tessera completion, tessera man: what shells and manuals need to know of the command, from its own options.
#include <algorithm>
#include <iostream>
#include <set>
#include <sstream>

#include "tools/npy.h"
#include "tools/options.h"
#include "upscale/upsampler.h"

namespace tessera::tools {

namespace {

using Names = std::vector<std::string>;

/// An option as it is written, with what it takes.
struct Flag {
  Names shorts, longs;  ///< without dashes
  std::string help, value;
  Names choices;      ///< the values that it takes, where there are few
  bool file = false;  ///< it takes files, too

  Names all() const {
    Names names;
    for (const std::string& name : shorts) names.push_back("-" + name);
    for (const std::string& name : longs) names.push_back("--" + name);
    return names;
  }
};

std::string joined(const Names& words, const std::string& between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

/// In single quotes, as all three shells read them.
std::string quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

std::vector<Flag> flags_of(const CLI::App& app) {
  std::vector<Flag> flags;
  for (const CLI::Option* option : app.get_options()) {
    Flag flag{option->get_snames(), option->get_lnames(), option->get_description(), {}, {}, false};
    if (flag.all().empty()) continue;
    if (option->get_items_expected_max() > 0) {
      // "HOW:{model,bicubic}" where there are choices; a name alone, or with a rule behind a colon, elsewhere.
      const std::string type = option->get_type_name();
      flag.value = type.substr(0, type.find(':'));
      const size_t open = type.find('{');
      std::stringstream choices(open == std::string::npos ? "" : type.substr(open + 1, type.find('}') - open - 1));
      for (std::string choice; std::getline(choices, choice, ',');) flag.choices.push_back(choice);
      static const std::set<std::string> files = {"IN", "OUT", "MODEL", "FILE", "FOLDER", "DIR", "NAME=FILE"};
      flag.file = files.contains(flag.value);
      if (flag.value == "MODEL" && app.get_name() == "upscale")
        for (const upscale::BundledModel& model : upscale::bundled_models()) flag.choices.emplace_back(model.name);
    }
    flags.push_back(std::move(flag));
  }
  return flags;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

void print_bash(const CLI::App& app) {
  Names commands;
  std::string values, options;
  for (const CLI::App* command : commands_of(app)) {
    const std::string name = command->get_name();
    commands.push_back(name);
    Names all;
    for (const Flag& flag : flags_of(*command)) {
      for (const std::string& word : flag.all()) all.push_back(word);
      if (flag.value.empty()) continue;
      Names cases;
      for (const std::string& word : flag.all()) cases.push_back(name + ":" + word);
      values += cat("    ", joined(cases, "|"), ") ");
      if (!flag.choices.empty())
        values += cat("COMPREPLY=($(compgen ", flag.file ? "-f " : "", "-W ", quoted(joined(flag.choices, " ")),
                      " -- \"$current\")); ");
      values += "return ;;\n";
    }
    options += cat("    ", name, ":-*) COMPREPLY=($(compgen -W ", quoted(joined(all, " ")), " -- \"$current\")) ;;\n");
  }
  const std::string words = joined(commands, " ");
  std::cout << "# Completion of tessera for bash.\n"
               "_tessera() {\n"
               "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= i\n"
               "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
               "    case \" "
            << words
            << " \" in *\" ${COMP_WORDS[i]} \"*) command=${COMP_WORDS[i]}; break ;; esac\n"
               "  done\n"
               "  COMPREPLY=()\n"
               "  case $command:$previous in\n"
            << values
            << "  esac\n"
               "  case $command:$current in\n"
            << options << "    :*) COMPREPLY=($(compgen -W " << quoted(words + " --help --version")
            << " -- \"$current\")) ;;\n"
               "  esac\n"
               "}\n"
               "complete -o default -F _tessera tessera\n";
}

void print_zsh(const CLI::App& app) {
  // Brackets and colons divide what _arguments reads.
  const auto plain = [](std::string text) {
    for (const char* special : {"\\", "[", "]", ":"}) text = replaced(text, special, std::string("\\") + special);
    return text;
  };
  std::string commands, cases;
  for (const CLI::App* command : commands_of(app)) {
    commands += cat("  ", quoted(plain(command->get_name()) + ":" + plain(command->get_description())), "\n");
    cases += cat("  ", command->get_name(), ")\n    _arguments -s \\\n");
    for (const Flag& flag : flags_of(*command)) {
      const Names names = flag.all();
      std::string rest = cat("[", plain(flag.help), "]");
      if (!flag.value.empty())
        rest += cat(":", plain(flag.value), ":",
                    flag.choices.empty() ? flag.file ? std::string("_files") : std::string()
                    : flag.file ? cat("{compadd ", joined(flag.choices, " "), "; _files}")
                                         : cat("(", joined(flag.choices, " "), ")"));
      for (const std::string& name : names)
        cases += cat("      ", quoted(cat("(", joined(names, " "), ")", name, rest)), " \\\n");
    }
    cases += "      '*:file:_files' ;;\n";
  }
  std::cout << "#compdef tessera\n# Completion of tessera for zsh.\nlocal -a commands\ncommands=(\n"
            << commands
            << ")\nlocal curcontext=$curcontext state line\n"
               "_arguments -C '(-)--help[Print this help and exit]' '(-)--version[Print the version and exit]' \\\n"
               "  '1:command:->command' '*::argument:->arguments'\n"
               "case $state in\ncommand) _describe command commands ;;\narguments)\n  case $words[1] in\n"
            << cases << "  esac ;;\nesac\n";
}

void print_fish(const CLI::App& app) {
  std::cout << "# Completion of tessera for fish.\n"
               "complete -c tessera -n __fish_use_subcommand -l help -d 'Print this help and exit'\n"
               "complete -c tessera -n __fish_use_subcommand -l version -d 'Print the version and exit'\n";
  const auto text = [](const std::string& words) {
    return "'" + replaced(replaced(words, "\\", "\\\\"), "'", "\\'") + "'";
  };
  for (const CLI::App* command : commands_of(app)) {
    std::cout << "complete -c tessera -n __fish_use_subcommand -f -a " << command->get_name() << " -d "
              << text(command->get_description()) << '\n';
    for (const Flag& flag : flags_of(*command)) {
      std::cout << "complete -c tessera -n '__fish_seen_subcommand_from " << command->get_name() << "'";
      for (const std::string& name : flag.shorts) std::cout << " -s " << name;
      for (const std::string& name : flag.longs) std::cout << " -l " << name;
      if (!flag.value.empty()) std::cout << (flag.file ? " -r" : " -x");
      if (!flag.choices.empty()) std::cout << " -a " << text(joined(flag.choices, " "));
      std::cout << " -d " << text(flag.help) << '\n';
    }
  }
}

void completion(const CLI::App& app, const std::string& shell) {
  if (shell == "bash") print_bash(app);
  if (shell == "zsh") print_zsh(app);
  if (shell == "fish") print_fish(app);
}

/// As troff reads it: dashes are dashes, and no line begins with its words.
std::string roff(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (safe.empty() || safe.back() == '\n')) safe += "\\&";
    safe += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
  }
  return safe;
}

/// Examples and other lines that begin with blanks stay as they are.
void print_text(std::ostream& out, const std::string& text) {
  std::istringstream lines(text);
  bool verbatim = false;
  for (std::string line; std::getline(lines, line);) {
    const bool indented = line.starts_with("  ");
    if (indented != verbatim) out << (indented ? ".nf\n" : ".fi\n");
    verbatim = indented;
    out << (line.empty() ? ".PP" : roff(line)) << '\n';
  }
  if (verbatim) out << ".fi\n";
}

void print_page(std::ostream& out, const CLI::App& app, const CLI::App* command) {
  const CLI::App& shown = command ? *command : app;
  const std::string name = command ? cat("tessera-", command->get_name()) : std::string("tessera");
  std::string title = name;
  for (char& c : title) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  out << ".TH " << roff(title) << " 1 \"\" \"tessera " << TESSERA_VERSION << "\"\n.SH NAME\n"
      << roff(name) << " \\- " << roff(shown.get_description()) << "\n.SH SYNOPSIS\n.B tessera";
  if (!command) {
    out << "\n.I COMMAND\n[\\fIoption\\fR...]\n.SH COMMANDS\n";
    for (const CLI::App* one : commands_of(app))
      out << ".TP\n.BR tessera\\-" << roff(one->get_name()) << " (1)\n" << roff(one->get_description()) << '\n';
  } else {
    out << ' ' << roff(command->get_name()) << "\n[\\fIoption\\fR...]";
    for (const CLI::Option* option : command->get_options())
      if (option->get_positional())
        out << " \\fI" << roff(option->get_name(true, false)) << "\\fR"
            << (option->get_items_expected_max() > 1 ? "..." : "");
    out << '\n';
  }
  out << ".SH OPTIONS\n";
  for (const Flag& flag : flags_of(shown)) {
    out << ".TP\n\\fB" << roff(joined(flag.all(), ", ")) << "\\fR";
    if (!flag.value.empty()) out << " \\fI" << roff(flag.value) << "\\fR";
    out << '\n' << roff(flag.help);
    if (!flag.choices.empty()) out << " (" << roff(joined(flag.choices, ", ")) << ')';
    out << '\n';
  }
  if (!shown.get_footer().empty()) {
    out << ".SH NOTES\n";
    print_text(out, shown.get_footer());
  }
  if (command) out << ".SH SEE ALSO\n.BR tessera (1)\n";
}

void write_page(const std::string& folder, const CLI::App& app, const CLI::App* command) {
  const std::string path =
      cat(folder, "/", command ? cat("tessera-", command->get_name()) : std::string("tessera"), ".1");
  std::ostringstream page;
  print_page(page, app, command);
  write_file(path, page.str());
}

}  // namespace

void add_shell(CLI::App& app, int&) {
  auto shell = std::make_shared<std::string>(), page = std::make_shared<std::string>();
  CLI::App* complete = app.add_subcommand("completion", "Print what a shell needs to complete commands and options");
  complete->add_option("SHELL", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  complete->footer(R"(
Installed with the command. For one user:
  tessera completion bash > ~/.local/share/bash-completion/completions/tessera
  tessera completion zsh > ~/.zfunc/_tessera     # in a folder of fpath
  tessera completion fish > ~/.config/fish/completions/tessera.fish)");
  complete->callback([&app, shell] { completion(app, *shell); });
  auto into = std::make_shared<std::string>();
  CLI::App* manual = app.add_subcommand("man", "Print a manual page");
  manual->add_option("COMMAND", *page, "Of this subcommand; of all of them together");
  manual->add_option("--into", *into, "Write all pages into a folder instead")->type_name("FOLDER");
  manual->footer(R"(
  tessera man upscale | man -l -)");
  manual->callback([&app, page, into] {
    const auto commands = commands_of(app);
    if (!into->empty()) {
      write_page(*into, app, nullptr);
      for (const CLI::App* command : commands) write_page(*into, app, command);
      return;
    }
    const auto found = std::find_if(commands.begin(), commands.end(),
                                    [&](const CLI::App* command) { return command->get_name() == *page; });
    if (!page->empty() && found == commands.end()) fail(Error::Kind::usage, "no command ", *page);
    print_page(std::cout, app, page->empty() ? nullptr : *found);
  });
}

}  // namespace tessera::tools
