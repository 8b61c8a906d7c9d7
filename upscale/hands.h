// Hands: the devices that compute the windows of pictures, each at its own pace, and who takes over where one fails.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>

#include "upscale/pixel_ends.h"

namespace tessera::upscale {

/// A device with the model on it.
class Hand {
 public:
  Hand(std::string name, std::shared_ptr<const Upsampler> model) : name_(std::move(name)), model_(std::move(model)) {}

  const std::string& name() const { return name_; }
  const Upsampler& model() const { return *model_; }
  /// It stores numbers in half precision: its results are compared with others now and then.
  bool is_rounded() const { return device_ && model_->stores_halves(); }
  /// Its memory is not the machine's, and its results are not trusted as they come.
  bool is_device() const { return device_; }
  void set_device(bool device) { device_ = device; }
  /// Runs at once that keep it busy.
  int at_once() const { return device_ ? model_->runs_at_once() : 1; }
  /// The model with pixels at its ends, made once; null where it takes none.
  const Upsampler* with(const Convention& convention, const PixelEnds& ends) const;

 private:
  std::string name_;
  std::shared_ptr<const Upsampler> model_;
  bool device_ = false;
  mutable std::mutex mutex_;
  mutable std::map<PixelEnds, std::unique_ptr<Upsampler>> with_ends_;
};

/// Why a hand is given up.
enum class Loss {
  failed,  ///< the device gave an error, or has no memory
  wrong    ///< it gave numbers that are no picture
};

class Hands {
 public:
  /// Opens who does a hand's work in its place; null: nobody.
  using Successor = std::function<std::shared_ptr<Hand>(const Hand& hand, Loss loss)>;

  /// A hand on loan for one window; null where all are lost.
  class Loan {
   public:
    Loan(Hands& hands, std::shared_ptr<Hand> hand) : hands_(&hands), hand_(std::move(hand)) {}
    Loan(Loan&& other) noexcept : hands_(other.hands_), hand_(std::move(other.hand_)) {}
    Loan& operator=(Loan&&) = delete;
    ~Loan() { give_back(0); }
    /// The hand lives on when it is given back.
    const Hand* hand() const { return hand_.get(); }
    /// Tells how long a pixel took; 0: not known.
    void give_back(double seconds);

   private:
    Hands* hands_;
    std::shared_ptr<Hand> hand_;
  };

  void add(std::shared_ptr<Hand> hand);
  /// Runs at once on the CPU.
  void set_cpu_runs(int runs) { cpu_runs_ = runs; }
  void set_successor(Successor successor) { successor_ = std::move(successor); }

  /// Waits for a hand. Where `left` windows are left, one that would take longer for one of them than the fastest for
  /// all is not taken.
  Loan take(double left);
  /// Runs at once that keep all hands busy.
  int at_once() const;
  /// Those that are not lost.
  std::vector<std::shared_ptr<const Hand>> all() const;
  /// Gives up a hand, so that its successor works from now on. False where nobody would be left: then it stays. The
  /// first caller gets a note.
  bool lose(const Hand& hand, Loss loss, const std::string& reason, std::vector<std::string>& notes);
  /// Who can tell whether a hand's numbers are right: its successor.
  std::shared_ptr<const Hand> judge_of(const Hand& hand);

 private:
  struct State {
    std::shared_ptr<Hand> hand;
    int busy = 0;
    double seconds = 0;  ///< of a pixel; 0: not known yet
    bool lost = false;
    std::shared_ptr<Hand> judge;
  };
  State* find(const Hand& hand);
  int most_runs(const State& state) const;
  size_t working() const;

  Successor successor_;
  int cpu_runs_ = 1;
  mutable std::mutex mutex_;
  std::mutex opening_;
  std::condition_variable changed_;
  std::vector<State> states_;
};

}  // namespace tessera::upscale
