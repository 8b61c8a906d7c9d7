// What says the next token of a text: a decoder's subgraph behind a prompt, or one behind a source that an encoder's
// subgraph reads.
#pragma once

#include <memory>

#include "ops/containers.h"

namespace tessera::ops {

/// What each row has said so far, beginning with what it was given.
using Said = std::vector<std::vector<int64_t>>;

class Decoder {
 public:
  virtual ~Decoder() = default;
  /// The logits of each row, [rows, positions, words], of which the last position counts.
  virtual Tensor step(Frame& f, const Said& said) = 0;
  /// Row b goes on from what row from[b] was.
  virtual void reorder(const std::vector<int64_t>& from) = 0;
};

/// Indices `from` along an axis of any tensor.
inline Tensor pick(const Tensor& tensor, size_t axis, const std::vector<int64_t>& from) {
  Shape shape = tensor.type.shape;
  const int64_t old = shape[axis], outer = shape.elements(0, axis), picked = static_cast<int64_t>(from.size());
  shape[axis] = picked;
  Tensor result = Tensor::make({tensor.type.dtype, shape});
  const int64_t row = result.type.shape.elements() ? result.type.bytes() / (outer * picked) : 0;
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < picked; ++i)
      std::copy_n(tensor.bytes.get() + (o * old + from[static_cast<size_t>(i)]) * row, row,
                  result.bytes.get() + (o * picked + i) * row);
  return result;
}

/// The last `columns` tokens of each row.
inline Tensor last_tokens(const Said& said, int64_t columns) {
  Tensor ids = Tensor::make({DType::int32, {static_cast<int64_t>(said.size()), columns}});
  auto* to = ids.as<int32_t>();
  for (const auto& row : said)
    for (auto at = row.end() - columns; at != row.end(); ++at) *to++ = static_cast<int32_t>(*at);
  return ids;
}

inline void check_logits(const Datum& datum, size_t rows) {
  const Shape& shape = datum.tensor.type.shape;
  if (datum.kind != Kind::tensor || shape.rank() != 3 || shape[0] != static_cast<int64_t>(rows) || shape[1] < 1)
    fail(Error::Kind::shape, "the decoder's logits are ", datum.tensor.type);
}

/// Goes on behind a prompt, all of which it is fed first: ids, positions, a mask, and its memory of all so far.
class PromptDecoder : public Decoder {
 public:
  /// The mask of each row.
  PromptDecoder(const Frame& f, std::vector<std::vector<int32_t>> seen)
      : seen_(std::move(seen)), next_position_(seen_.size(), 0) {
    const Graph& decoder = f.graph("decoder");
    for (size_t i = 3; i < decoder.inputs.size(); ++i) {
      const Value& value = decoder.values[decoder.inputs[i]];
      const Shape& declared = value.type.shape;
      if (declared.rank() != 5 || declared[2] < 0 || declared[4] < 0)
        fail(Error::Kind::unsupported, "decoder input \"", value.name, "\" is ", value.type,
             ", not past keys and values");
      past_.push_back(datum_of(
          Tensor::make({value.type.dtype, {2, static_cast<int64_t>(seen_.size()), declared[2], 0, declared[4]}})));
    }
  }

  Tensor step(Frame& f, const Said& said) override {
    const auto rows = static_cast<int64_t>(said.size()), length = said.empty() ? 0 : int64_t(said[0].size());
    const int64_t columns = first_ ? length : 1;
    Tensor positions = Tensor::make({DType::int32, {rows, columns}}),
           mask = Tensor::make({DType::int32, {rows, length}});
    for (size_t b = 0; b < said.size(); ++b) {
      seen_[b].resize(said[b].size(), 1);
      for (int64_t c = 0; c < columns; ++c) {
        const bool counts = !first_ || seen_[b][static_cast<size_t>(c)] != 0;
        positions.as<int32_t>()[static_cast<int64_t>(b) * columns + c] = counts ? next_position_[b]++ : 0;
      }
      std::copy(seen_[b].begin(), seen_[b].end(), mask.as<int32_t>() + static_cast<int64_t>(b) * length);
    }
    std::vector<Datum> in{datum_of(last_tokens(said, columns)), datum_of(std::move(positions)),
                          datum_of(std::move(mask))};
    for (Datum& datum : past_) in.push_back(std::move(datum));
    std::vector<Datum> out = f.run(first_ && f.has("init_decoder") ? "init_decoder" : "decoder", std::move(in));
    if (out.size() < 1 + past_.size()) expect_outputs(out, 1 + past_.size());
    for (size_t i = 0; i < past_.size(); ++i) past_[i] = std::move(out[1 + i]);
    check_logits(out[0], said.size());
    first_ = false;
    return std::move(out[0].tensor);
  }

  void reorder(const std::vector<int64_t>& from) override {
    const auto old_seen = seen_;
    const auto old_position = next_position_;
    for (size_t b = 0; b < from.size(); ++b) {
      seen_[b] = old_seen[static_cast<size_t>(from[b])];
      next_position_[b] = old_position[static_cast<size_t>(from[b])];
    }
    for (Datum& datum : past_) {
      const Shape& shape = datum.tensor.type.shape;
      if (shape.rank() != 5 || shape[1] != static_cast<int64_t>(from.size()))
        fail(Error::Kind::shape, "the decoder's past is ", datum.tensor.type);
      datum.tensor = pick(datum.tensor, 1, from);
    }
  }

 private:
  std::vector<std::vector<int32_t>> seen_;
  std::vector<int32_t> next_position_;
  std::vector<Datum> past_;
  bool first_ = true;
};

/// Tells of a source. The encoder gives keys and values of it, for each layer; older ones say the first token, too, and
/// give what the source is hidden in and the decoder's first memory. Inputs are known by their names.
class SourceDecoder : public Decoder {
 public:
  /// `mask` (may have no bytes) says what counts of the source; there are `rows` for each prompt.
  SourceDecoder(const Frame& f, Tensor source, Tensor mask, int64_t rows)
      : source_(std::move(source)), mask_(std::move(mask)) {
    if (!f.has("encoder")) fail(Error::Kind::model, "has no encoder");
    const Graph& decoder = f.graph("decoder");
    selves_ = decoder.outputs.empty() ? 0 : decoder.outputs.size() - 1;
    for (const ValueId id : decoder.inputs) {
      const Text name = decoder.values[id].name;
      if (name == "past_sequence_length" || name == "beam_width" || name == "cache_indirection")
        fail(Error::Kind::unsupported, "decoder input \"", name, "\": a memory that all beams share is for devices");
      memories_ += name != "input_ids" && name != "encoder_input_ids" && name != "encoder_attention_mask" &&
                   name != "encoder_hidden_states";
    }
    if (memories_ < selves_) fail(Error::Kind::model, "the decoder has ", memories_, " past inputs for ", selves_);
    const int64_t prompts = source_.type.shape.empty() ? 0 : source_.type.shape[0];
    for (int64_t b = 0; b < prompts * rows; ++b) spread_.push_back(b / rows);
  }

  Tensor step(Frame& f, const Said& said) override {
    const bool first = memory_.empty();
    if (first)
      if (Tensor logits = encode(f, said); logits.bytes) return logits;
    const Graph& decoder = f.graph("decoder");
    std::vector<Datum> in;
    size_t next = 0;
    for (const ValueId id : decoder.inputs) {
      const Value& value = decoder.values[id];
      if (value.name == "input_ids") {
        const bool one = !first && (value.type.shape.rank() != 2 || value.type.shape[1] == 1);
        in.push_back(datum_of(last_tokens(said, one ? 1 : static_cast<int64_t>(said[0].size()))));
      } else if (value.name == "encoder_input_ids") {
        in.push_back(datum_of(source_));
      } else if (value.name == "encoder_attention_mask") {
        in.push_back(datum_of(mask_));
      } else if (value.name == "encoder_hidden_states") {
        if (!hidden_.bytes) fail(Error::Kind::model, "the encoder gives no hidden states");
        in.push_back(datum_of(hidden_));
      } else if (next < selves_ && !memory_[next].bytes) {
        in.push_back(datum_of(nothing_yet(value, said.size())));
        ++next;
      } else {
        in.push_back(datum_of(memory_[next++]));
      }
    }
    std::vector<Datum> out = f.run("decoder", std::move(in));
    expect_outputs(out, 1 + selves_);
    for (size_t i = 0; i < selves_; ++i) memory_[i] = std::move(out[1 + i].tensor);
    check_logits(out[0], said.size());
    return std::move(out[0].tensor);
  }

  // What is known of the source is the same for all rows of a prompt.
  void reorder(const std::vector<int64_t>& from) override {
    for (size_t i = 0; i < selves_; ++i)
      if (memory_[i].bytes) memory_[i] = pick(memory_[i], 0, from);
  }

 private:
  // The logits, where the encoder gives them; what it says of each prompt becomes each row's.
  Tensor encode(Frame& f, const Said& said) {
    const Graph& encoder = f.graph("encoder");
    const auto each = static_cast<int64_t>(spread_.size()) / std::max<int64_t>(1, source_.type.shape[0]);
    std::vector<Datum> in;
    for (const ValueId id : encoder.inputs) {
      const Text name = encoder.values[id].name;
      if (name == "encoder_input_ids" || name == "encoder_input_features") {
        in.push_back(datum_of(source_));
      } else if (name == "encoder_attention_mask") {
        in.push_back(datum_of(mask_));
      } else if (name == "decoder_input_ids") {
        Said own;
        for (size_t b = 0; b < said.size(); b += static_cast<size_t>(each)) own.push_back(said[b]);
        in.push_back(datum_of(last_tokens(own, static_cast<int64_t>(said[0].size()))));
      } else {
        fail(Error::Kind::unsupported, "the encoder has an input \"", name, '"');
      }
    }
    std::vector<Datum> out = f.run("encoder", std::move(in));
    const size_t crosses = memories_ - selves_;
    const bool says = out.size() == 2 + memories_;
    if (!says && out.size() != crosses)
      fail(Error::Kind::model, "the encoder gives ", out.size(), " results for ", crosses,
           " past inputs of the decoder");
    const auto spread = [&](const Datum& datum) {
      if (datum.kind != Kind::tensor || datum.tensor.type.shape.empty() ||
          datum.tensor.type.shape[0] != source_.type.shape[0])
        fail(Error::Kind::shape, "the encoder gives ", datum.tensor.type, " for ", source_.type.shape[0], " prompts");
      return pick(datum.tensor, 0, spread_);
    };
    mask_ = mask_.bytes ? pick(mask_, 0, spread_) : mask_;
    memory_.resize(says ? 0 : selves_);
    for (size_t i = says ? 2 : 0; i < out.size(); ++i) memory_.push_back(spread(out[i]));
    Datum logits;
    if (says) {
      hidden_ = spread(out[1]);
      logits.tensor = spread(out[0]);
      check_logits(logits, said.size());
    }
    source_ = pick(source_, 0, spread_);
    return logits.tensor;
  }

  // Of a layer's own keys or values before the first token.
  Tensor nothing_yet(const Value& declared, size_t rows) const {
    const Shape &own = declared.type.shape, known = memory_.back().type.shape;
    if (known.rank() != 4) fail(Error::Kind::shape, "the encoder gives keys and values of shape ", known);
    const auto extent = [&](size_t axis) { return own.rank() == 4 && own[axis] >= 0 ? own[axis] : known[axis]; };
    return Tensor::make({declared.type.dtype, {static_cast<int64_t>(rows), extent(1), 0, extent(3)}});
  }

  Tensor source_, mask_, hidden_;
  std::vector<Tensor> memory_;  ///< the layers' own keys and values (no bytes: none yet), then those of the source
  size_t memories_ = 0, selves_ = 0;
  std::vector<int64_t> spread_;  ///< of each row, its prompt
};

}  // namespace tessera::ops
