// What Whisper's timestamps allow: they stand in pairs, and never go back.
#pragma once

#include "ops/generate.h"

namespace tessera::ops {

/// log(sum(exp(x)))
template <class Iterator>
double log_sum(Iterator begin, Iterator end) {
  const double largest = *std::max_element(begin, end);
  double sum = 0;
  for (Iterator at = begin; at != end; ++at) sum += std::exp(*at - largest);
  return largest == never ? never : largest + std::log(sum);
}

class Timestamps {
 public:
  /// Ids that the node does not tell are those of Whisper's tokens, which follow the end's.
  Timestamps(const Frame& f, int64_t end) : end_(end) {
    const auto named = [&](Text name, int64_t behind) {
      const int64_t id = f.has(name) ? f.integer(name) : -1;
      return id >= 0 ? id : end + behind;
    };
    first_ = named("beginning_timestamp_token_id", 107);
    never_ = {named("no_timestamps_token_id", 106), named("start_of_lm_token_id", 105)};
    later_ = {end + 1, named("translate_token_id", 101), named("transcribe_token_id", 102)};
  }

  void judge(const std::vector<int64_t>& said, RunVector<double>& scores) const {
    const auto words = static_cast<int64_t>(scores.size()), count = static_cast<int64_t>(said.size());
    if (first_ <= 0 || first_ >= words)
      fail(Error::Kind::model, "timestamps begin at ", first_, " of ", words, " words");
    const auto forbid = [&](int64_t from, int64_t to) {
      for (int64_t t = std::max<int64_t>(from, 0); t < std::min(to, words); ++t) scores[static_cast<size_t>(t)] = never;
    };
    const auto is_time = [&](int64_t place) { return said[static_cast<size_t>(place)] >= first_; };
    int64_t begin = 0;
    while (begin < count && !is_time(begin)) ++begin;
    begin = std::min(begin + 1, count);
    for (const int64_t token : never_) forbid(token, token + 1);
    if (count > begin)
      for (const int64_t token : later_) forbid(token, token + 1);
    const bool last = count > 0 && is_time(count - 1), before = count <= begin || is_time(count - 2);
    if (last && before) forbid(first_, words);
    if (last && !before) forbid(0, end_);
    int64_t latest = -1;
    for (const int64_t token : said)
      if (token >= first_) latest = token;
    if (latest >= 0) forbid(first_, last && !before ? latest : latest + 1);
    if (count == begin) forbid(first_ + most_at_first + 1, words);
    // A time, whichever, is likelier than any word.
    const auto times = scores.begin() + static_cast<std::ptrdiff_t>(first_);
    if (log_sum(times, scores.end()) > *std::max_element(scores.begin(), times)) forbid(0, first_);
  }

 private:
  static constexpr int64_t most_at_first = 50;
  int64_t end_, first_;
  std::vector<int64_t> never_, later_;
};

}  // namespace tessera::ops
