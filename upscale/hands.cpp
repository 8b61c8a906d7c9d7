#include "upscale/hands.h"

#include <algorithm>

namespace tessera::upscale {

const Upsampler* Hand::with(const Convention& convention, const PixelEnds& ends) const {
  const std::lock_guard lock(mutex_);
  const auto [place, added] = with_ends_.try_emplace(ends);
  if (added) try {
      place->second = model_->with_pixels(convention, ends);
    } catch (...) {
      with_ends_.erase(place);
      throw;
    }
  return place->second.get();
}

void Hands::Loan::give_back(double seconds) {
  if (!hand_) return;
  const std::lock_guard lock(hands_->mutex_);
  if (State* state = hands_->find(*hand_)) {
    --state->busy;
    if (seconds > 0) state->seconds = state->seconds > 0 ? (state->seconds + seconds) / 2 : seconds;
  }
  hands_->changed_.notify_all();
  hand_.reset();
}

Hands::State* Hands::find(const Hand& hand) {
  const auto found =
      std::find_if(states_.begin(), states_.end(), [&](const State& state) { return state.hand.get() == &hand; });
  return found == states_.end() ? nullptr : &*found;
}

size_t Hands::working() const {
  return static_cast<size_t>(
      std::count_if(states_.begin(), states_.end(), [](const State& state) { return !state.lost; }));
}

int Hands::most_runs(const State& state) const {
  return state.hand->is_device() ? state.hand->at_once() : std::max(cpu_runs_, 1);
}

void Hands::add(std::shared_ptr<Hand> hand) {
  const std::lock_guard lock(mutex_);
  states_.push_back({std::move(hand), 0, 0, false, nullptr});
  changed_.notify_all();
}

Hands::Loan Hands::take(double left) {
  std::unique_lock lock(mutex_);
  for (;;) {
    double fastest = 0;
    State* best = nullptr;
    for (State& state : states_) {
      if (state.lost) continue;
      if (state.seconds > 0 && (fastest == 0 || state.seconds < fastest)) fastest = state.seconds;
      if (state.busy < most_runs(state) && (!best || state.seconds < best->seconds)) best = &state;
    }
    if (working() == 0) return {*this, nullptr};
    if (best && best->seconds <= std::max(left, 1.0) * fastest) {
      ++best->busy;
      return {*this, best->hand};
    }
    changed_.wait(lock);
  }
}

int Hands::at_once() const {
  const std::lock_guard lock(mutex_);
  int sum = 0;
  for (const State& state : states_)
    if (!state.lost) sum += most_runs(state);
  return std::max(sum, 1);
}

std::vector<std::shared_ptr<const Hand>> Hands::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const Hand>> hands;
  for (const State& state : states_)
    if (!state.lost) hands.push_back(state.hand);
  return hands;
}

bool Hands::lose(const Hand& hand, Loss loss, const std::string& reason, std::vector<std::string>& notes) {
  const std::lock_guard opening(opening_);
  std::shared_ptr<Hand> next;
  {
    const std::lock_guard lock(mutex_);
    State* state = find(hand);
    if (!state || state->lost) return working() > 0;
    if (loss == Loss::wrong) next = state->judge;
  }
  if (!next && successor_) next = successor_(hand, loss);
  const std::lock_guard lock(mutex_);
  State* state = find(hand);
  const State* known = next ? find(*next) : nullptr;
  if (known && known->lost) next.reset();
  if (!next && working() == 1) return false;
  state->lost = true;
  if (next && !known) states_.push_back({next, 0, 0, false, nullptr});
  notes.push_back(cat(hand.name(), ": ", reason, "; its work is done ",
                      next ? cat("by ", next->name()) : std::string("by the others"), " from here on"));
  changed_.notify_all();
  return true;
}

std::shared_ptr<const Hand> Hands::judge_of(const Hand& hand) {
  const std::lock_guard opening(opening_);
  {
    const std::lock_guard lock(mutex_);
    const State* state = find(hand);
    if (!state || state->judge) return state ? state->judge : nullptr;
  }
  std::shared_ptr<Hand> judge = successor_ ? successor_(hand, Loss::wrong) : nullptr;
  const std::lock_guard lock(mutex_);
  if (State* state = find(hand)) state->judge = judge;
  return judge;
}

}  // namespace tessera::upscale
