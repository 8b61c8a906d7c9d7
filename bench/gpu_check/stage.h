// A stage: items that worker processes take one after the other. What an item gave is a line of the journal, written
// at once. A worker that crashes or hangs in a driver costs its item alone: another one goes on.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tessera::check {

using Json = nlohmann::json;

/// A file of one JSON object a line, added to by any number of processes.
class Journal {
 public:
  explicit Journal(const std::string& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  void write(const Json& line) const;

 private:
  int file_;
};

/// How an item ended. `ok`: as it should; `wrong`: it ran, and its result is not right; `failed`: it threw; `cpu`: the
/// device does not take it; `crashed`: its process ended by a signal; `hung`: it took too long.
enum class Result { ok, wrong, failed, cpu, crashed, hung };
constexpr const char* result_names[] = {"ok", "wrong", "failed", "cpu", "crashed", "hung"};

struct Item {
  std::string title;
  /// Adds to the line what it found. Runs in a worker.
  std::function<Result(Json& line)> run;
};

struct Stage {
  std::string name;
  int jobs = 1;              ///< workers at once
  double seconds = 60;       ///< after so many, no further item is begun
  double item_seconds = 60;  ///< an item that takes longer has hung
};

/// Runs the items. Prints one line at the end, and one for each item that did not end well.
void run_stage(const Journal& journal, const Stage& stage, const std::vector<Item>& items);

double seconds_now();  ///< of a clock that only goes forward

}  // namespace tessera::check
