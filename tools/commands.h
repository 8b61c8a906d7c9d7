// The subcommands: each adds itself to the application, with a callback that does the work and sets
// the exit code. What a callback throws, main prints and turns into an exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <atomic>

namespace tessera::tools {

enum ExitCode { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_unsupported = 3 };

void add_run(CLI::App& app, int& exit_code);
void add_test(CLI::App& app, int& exit_code);
void add_bench(CLI::App& app, int& exit_code);
void add_inspect(CLI::App& app, int& exit_code);
void add_check(CLI::App& app, int& exit_code);
void add_compare(CLI::App& app, int& exit_code);
void add_devices(CLI::App& app, int& exit_code);
void add_models(CLI::App& app, int& exit_code);
void add_upscale(CLI::App& app, int& exit_code);
void add_shell(CLI::App& app, int& exit_code);  ///< completion and man

/// Set by SIGINT, SIGTERM and SIGHUP: long work stops at the next step, removes what is half done, and throws
/// Error::cancelled. A second signal ends the process at once.
const std::atomic<bool>& interrupted();
/// Ends the process by the signal that came, as if nothing had caught it, so that shells see what happened;
/// gives `code` back if none came.
int end_by_signal(int code);
/// Lets those signals set it, and turns the SIGBUS of a model file that gets shorter into a message and
/// an exit code; called once, by main.
void catch_signals();

}  // namespace tessera::tools
