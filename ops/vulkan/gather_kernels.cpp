// Elements by index: Gather, GatherElements, GatherND; ScatterND and ScatterElements by indices that are known; see
// shaders/gather.comp.

#include <algorithm>

#include "ops/scatter.h"
#include "ops/vulkan/axes.h"

namespace tessera::vulkan {

#include "shaders/params/gather.h"

namespace {

/// A loop over the output, with the steps of data and indices; and what each number of an index is for.
struct Picked {
  Shape extents, data, indices;
  Shape places, steps;
};
using PickedOf = Picked (*)(const Problem&);

Picked gathered(const Problem& problem) {
  const Shape& data = problem.in[0].shape;
  const ops::Around around(data, normalize_axis(AttrReader(problem.node).integer("axis"), data.rank()));
  return {{around.outer, problem.in[1].shape.elements(), around.inner},
          {around.extent * around.inner, 0, 1},
          {0, 1, 0},
          {around.extent},
          {around.inner}};
}

Picked gathered_elements(const Problem& problem) {
  const Shape &data = problem.in[0].shape, &out = problem.out[0].shape;
  const auto axis = static_cast<size_t>(normalize_axis(AttrReader(problem.node).integer("axis"), data.rank()));
  Picked result{out, ops::strides_of(data), ops::strides_of(out), {data[axis]}, {ops::strides_of(data)[axis]}};
  result.data[axis] = 0;
  return result;
}

Picked gathered_nd(const Problem& problem) {
  const Shape &data = problem.in[0].shape, &indices = problem.in[1].shape;
  const auto batch = static_cast<size_t>(AttrReader(problem.node).integer("batch_dims"));
  const auto length = static_cast<size_t>(indices.back());
  const int64_t positions = indices.elements(batch, indices.size() - 1);
  Picked result{{data.elements(0, batch), positions, data.elements(batch + length, data.size())},
                {data.elements(batch, data.size()), 0, 1},
                {positions * indices.back(), indices.back(), 0},
                {},
                {}};
  for (size_t k = batch; k < batch + length; ++k) {
    result.places.push_back(data[k]);
    result.steps.push_back(ops::strides_of(data)[k]);
  }
  return result;
}

Axes axes_of(const Picked& picked) {
  const Shape strides[] = {picked.data, picked.indices};
  return join_axes(picked.extents, strides);
}

// Whether indices that are known are. An index outside is an error.
bool all_inside(const View& indices, const Shape& places) {
  const std::vector<int64_t> values = as_integers(indices);
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t extent = places[i % places.size()];
    if (values[i] < -extent || values[i] >= extent) return false;
  }
  return true;
}

// Elements of one type are moved as they are, whatever it is; else they are converted.
std::pair<uint32_t, uint32_t> types_of(const Type& in, const Type& out) {
  if (in.layout.stored(in.dtype) == out.layout.stored(out.dtype)) {
    const uint32_t type = element_bytes(in) ? 16 * natural_kind + element_bytes(in) : 0;
    return {type, type};
  }
  return {word_type(in.layout.stored(in.dtype)), word_type(out.layout.stored(out.dtype))};
}

bool can_move(const Problem& problem) {
  const auto [in, out] = types_of(problem.in[0], problem.out[0]);
  return in && out && problem.in[0].shape.elements() > 0 && problem.node.epilogue.empty();
}

template <PickedOf of>
bool accepts_gather(const VkKernel&, const Problem& problem) {
  if (!can_move(problem)) return false;
  const Picked picked = of(problem);
  return picked.places.size() <= most_positions && axes_of(picked).extents.size() <= max_axes &&
         (!problem.constants[1] || all_inside(problem.constants[1]->view(), picked.places));
}

Dispatch& record_picked(const Problem& problem, const Type& data, const Picked& picked, Recorder& recorder) {
  const Axes axes = axes_of(picked);
  const auto [in, out] = types_of(data, problem.out[0]);
  GatherParams params{};
  assign(params.extents, axes.extents);
  params.count = static_cast<uint32_t>(axes.extents.elements());
  assign(params.data_strides, axes.strides[0]);
  assign(params.index_strides, axes.strides[1]);
  assign(params.places, picked.places);
  assign(params.steps, picked.steps);
  Dispatch& dispatch = recorder.dispatch("gather", params);
  dispatch.set("type_in", in);
  dispatch.set("type_out", out);
  dispatch.set("axes", static_cast<uint32_t>(axes.extents.size()));
  dispatch.set("positions", static_cast<uint32_t>(picked.places.size()));
  dispatch.bind("dst", recorder.out(0));
  cover_words(params.count, out % 16, dispatch);
  return dispatch;
}

template <PickedOf of>
void record_gather(const VkKernel&, const Problem& problem, Recorder& recorder) {
  Dispatch& dispatch = record_picked(problem, problem.in[0], of(problem), recorder);
  dispatch.set("index_bytes", element_bytes(problem.in[1]));
  dispatch.bind("data", recorder.in(0));
  dispatch.bind("indices", recorder.in(1));
  if (!problem.constants[1]) dispatch.bind("refusal", recorder.refusal());
}

// --- Scatters ----------------------------------------------------------------------------------

/// Of each slice of the output, the slice of the updates that it becomes; -1: it stays. The last of several wins.
using Sources = std::vector<int32_t>;

Sources sources_of_nd(const Problem& problem, Picked* picked) {
  const Shape &data = problem.in[0].shape, &indices = problem.in[1].shape;
  const auto length = static_cast<size_t>(indices.back());
  const std::vector<int64_t> values = as_integers(problem.constants[1]->view());
  Sources sources(static_cast<size_t>(data.elements(0, length)), -1);
  for (size_t i = 0; i * length < values.size(); ++i) {
    int64_t slice = 0;
    for (size_t k = 0; k < length; ++k) slice = slice * data[k] + ops::checked_index(values[i * length + k], data[k]);
    sources[static_cast<size_t>(slice)] = static_cast<int32_t>(i);
  }
  const int64_t inner = data.elements(length, data.size());
  *picked = {{static_cast<int64_t>(sources.size()), inner},
             {0, 1},
             {1, 0},
             {std::max<int64_t>(1, problem.in[2].shape.elements() / inner)},
             {inner}};
  return sources;
}

Sources sources_of_elements(const Problem& problem, Picked* picked) {
  const Shape &data = problem.in[0].shape, &indices = problem.in[1].shape;
  const auto axis = static_cast<size_t>(normalize_axis(AttrReader(problem.node).integer("axis"), data.rank()));
  const std::vector<int64_t> values = as_integers(problem.constants[1]->view());
  const Shape steps = ops::strides_of(data), within = ops::strides_of(indices);
  Sources sources(static_cast<size_t>(data.elements()), -1);
  for (size_t i = 0; i < values.size(); ++i) {
    int64_t place = ops::checked_index(values[i], data[axis]) * steps[axis];
    for (size_t k = 0; k < data.size(); ++k)
      if (k != axis) place += static_cast<int64_t>(i) / within[k] % indices[k] * steps[k];
    sources[static_cast<size_t>(place)] = static_cast<int32_t>(i);
  }
  *picked = {{data.elements()}, {0}, {1}, {std::max<int64_t>(1, indices.elements())}, {1}};
  return sources;
}

using SourcesOf = Sources (*)(const Problem&, Picked*);

// What each number of an index is for.
template <SourcesOf of>
Shape scattered_places(const Problem& problem) {
  const Shape &data = problem.in[0].shape, &indices = problem.in[1].shape;
  if constexpr (of == sources_of_nd) return Shape(List<int64_t>(data).first(static_cast<size_t>(indices.back())));
  return {data[static_cast<size_t>(normalize_axis(AttrReader(problem.node).integer("axis"), data.rank()))]};
}

template <SourcesOf of>
bool accepts_scatter(const VkKernel&, const Problem& problem) {
  const auto [in, out] = types_of(problem.in[0], problem.out[0]);
  return can_move(problem) && in == out && problem.constants[1] && problem.in[1].shape.elements() > 0 &&
         types_of(problem.in[2], problem.out[0]).first == out &&
         ops::join_of(AttrReader(problem.node)) == ops::Join::replace &&
         all_inside(problem.constants[1]->view(), scattered_places<of>(problem));
}

template <SourcesOf of>
void record_scatter(const VkKernel&, const Problem& problem, Recorder& recorder) {
  Picked picked;
  const Sources sources = of(problem, &picked);
  Dispatch& dispatch = record_picked(problem, problem.in[2], picked, recorder);
  dispatch.set("index_bytes", 4);
  dispatch.set("scatters", 1);
  dispatch.bind("data", recorder.in(2));
  dispatch.bind("indices", recorder.table(sources));
  dispatch.bind("other", recorder.in(0));
}

template <PickedOf of>
constexpr VkKernel gather(Text op) {
  return {op, "", "gather", {"gather"}, accepts_gather<of>, record_gather<of>, {}, in_half, 0, true};
}
template <SourcesOf of>
constexpr VkKernel scatter(Text op) {
  return {op, "", "scatter", {"gather"}, accepts_scatter<of>, record_scatter<of>, {}, in_half, 0, true};
}

constexpr VkKernel list[] = {
    gather<gathered>("Gather"),
    gather<gathered_elements>("GatherElements"),
    gather<gathered_nd>("GatherND"),
    scatter<sources_of_nd>("ScatterND"),
    scatter<sources_of_elements>("ScatterElements"),
    scatter<sources_of_elements>("Scatter"),
};

}  // namespace

extern const KernelFile gather_kernels;
const KernelFile gather_kernels{list};

}  // namespace tessera::vulkan
