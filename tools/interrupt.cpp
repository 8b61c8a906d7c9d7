// The wish to stop: a flag that SIGINT and SIGTERM set.
#include <unistd.h>

#include <csignal>

#include "tools/commands.h"

namespace tessera::tools {
namespace {

std::atomic<bool> stop{false};

extern "C" void on_signal(int) {
  if (stop.exchange(true)) _exit(exit_failed);
}

}  // namespace

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

const std::atomic<bool>& interrupted() { return stop; }

}  // namespace tessera::tools
