// Reach: how far an element of a node's output looks in each of its inputs. An operator's definition names a rule
// (OpDef::reach); what rules are made of, and the rules that many operators share, are here.
#pragma once

#include <optional>

#include "runtime/graph/reach_field.h"

namespace tessera::reach {

/// What a result is that sees all of its input.
enum class Pooled { other, mean, largest, sum, norm };

/// What each element along an axis of a result reads of an axis of `in` elements: `count` of them, with weights.
struct Weights {
  int64_t in = 0, count = 0;
  std::vector<int64_t> index;
  std::vector<double> weight;
};

/// One node of a walk. `in` holds a field for every input, plain ones for what is not of the picture.
struct Step : AttrReader {
  explicit Step(const Node& node) : AttrReader(node) {}
  std::vector<Field> in, out;
  std::vector<Type> in_types, out_types;
  std::vector<const Tensor*> constants;
  int64_t whole[2] = {1, 1};      ///< extents of the picture
  bool global = false;            ///< to be set where an element sees all of a side, or depends on its coordinates
  Pooled pooled = Pooled::other;  ///< to be set where the output is made of whole axes
  /// To be set where a grid is stretched over the picture, so that it lies elsewhere for another size.
  std::optional<Weights> stretched[2];

  bool has_input(size_t i) const { return i < in.size() && in_types[i].dtype != DType::undefined; }
  int rank(size_t i) const { return in_types[i].shape.rank(); }
  /// Attribute "axis", or its default, as an axis of input 0.
  size_t axis() const { return static_cast<size_t>(normalize_axis(integer("axis"), rank(0))); }
  /// Integers from input `i`; where there is none, from the attribute. False if they are not known.
  bool integers_of(size_t i, Text attribute, std::vector<int64_t>& values) const;
  /// Does an input from `first` on run along the picture?
  bool on_picture_from(size_t first) const;
};

// --- What rules are made of ------------------------------------------------------------------

/// All elements along an axis see what each of them saw. One that runs along the picture stays where it is or, if
/// it does not stay, becomes plain.
void see_all_of(Step& s, Field& field, size_t axis, bool stays);
/// An axis of channels. It must not run along the picture as a whole; blocks in it are seen at once.
bool make_plain(Step& s, Field& field, size_t axis, int64_t extent);
/// Are all elements along an axis the same? Not, if they are not known.
bool uniform(const Tensor* tensor, size_t axis);
/// Inputs `which`, broadcast to one shape.
bool combine(Step& s, const std::vector<size_t>& which);
/// Inputs `which`, joined along attribute "axis".
bool join(Step& s, const std::vector<size_t>& which);
bool permute(Field& field, List<int64_t> order);
/// Input 0 as shape `cut`, its axes in another order, as the shape of output 0.
bool rearrange(Step& s, const Shape& cut, List<int64_t> order);
/// Of an axis every `step`-th element from `start` on is kept.
bool cut(Step& s, Field& field, size_t axis, int64_t start, int64_t step);
/// Elements of input 0 see all of axes [from, to). Further outputs are statistics: one element for all of these axes.
bool mix_axes(Step& s, size_t from, size_t to);
/// Axes become one element each, and stay or go as the shape of output 0 says.
bool drop_axes(Step& s, const std::vector<bool>& dropped);

// --- Rules -----------------------------------------------------------------------------------

/// Says that nothing is known, on purpose.
bool not_followed(Step& s);
/// Results take no more than a shape from their inputs.
bool source(Step& s);
/// Every output is as input 0, element by element; other inputs are parameters.
bool along(Step& s);
/// The same, by chance.
bool random(Step& s);
/// All inputs, broadcast and combined element by element.
bool pointwise(Step& s);
/// The bytes of input 0 under another shape.
bool view(Step& s);

}  // namespace tessera::reach
