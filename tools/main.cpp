// The tessera command: reads the command line, runs one subcommand, turns what it throws into one
// message on stderr and an exit code.
#include <cstdio>
#include <iostream>
#include <new>

#include "runtime/base/base.h"
#include "tools/commands.h"

namespace tessera::tools {
namespace {

int exit_code_of(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::usage: return exit_usage;
    case Error::Kind::unsupported: return exit_unsupported;
    default: return exit_failed;
  }
}

// Allocates nothing: there may be no memory left.
int report(Text text, int code) {
  std::cout.flush();
  std::cerr << "tessera: " << text << '\n';
  return code;
}

constexpr const char* footer = R"(
Examples:
  tessera upscale photo.jpg -o photo_2x.png
  tessera run model.onnx -i x=input.npy -o outputs/
  tessera check model.onnx
  tessera bench model.onnx --shape input=1x3x256x256 --threads 2
  tessera COMMAND --help

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the model is not supported.)";

int run_command(int count, char** words) {
  CLI::App app("tessera runs ONNX models natively, and makes pictures larger with them.", "tessera");
  int exit_code = exit_done;
  app.set_version_flag("--version", std::string("tessera ") + TESSERA_VERSION, "Print the version and exit");
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  app.footer(footer);
  add_upscale(app, exit_code);
  add_run(app, exit_code);
  add_test(app, exit_code);
  add_bench(app, exit_code);
  add_inspect(app, exit_code);
  add_check(app, exit_code);
  add_compare(app, exit_code);
  add_devices(app, exit_code);
  add_models(app, exit_code);
  add_shell(app, exit_code);
  const auto has_name = [&](const CLI::App* sub) { return sub->check_name(words[1]); };
  if (count > 1 && *words[1] != '-' && app.get_subcommands(has_name).empty())
    fail(Error::Kind::usage, words[1],
         ": is no command; `tessera upscale IN -o OUT` makes pictures larger, and "
         "`tessera --help` lists all commands");
  try {
    if (count == 1) throw CLI::CallForHelp();
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_done : exit_usage;
  }
  return exit_code;
}

}  // namespace

int main_of_command(int count, char** words) {
  catch_signals();
  int code = exit_done;
  try {
    code = run_command(count, words);
  } catch (const Error& error) {
    // A limit that the user set ends a run in the same way.
    if (error.kind() == Error::Kind::cancelled && interrupted())
      return end_by_signal(report("interrupted", exit_failed));
    return report(error.what(), exit_code_of(error.kind()));
  } catch (const std::bad_alloc&) {
    return report("out of memory", exit_failed);
  } catch (const std::exception& error) {
    return report(error.what(), exit_failed);
  }
  std::cout.flush();
  if (!std::cout || std::fflush(stdout) != 0) return report("cannot write to standard output", exit_failed);
  return code;
}

}  // namespace tessera::tools

int main(int count, char** words) { return tessera::tools::main_of_command(count, words); }
