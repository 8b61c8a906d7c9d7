// The C interface: what a machine, a model and a session say of themselves, and sessions around parts of a model.
#include "runtime/base/cores.h"
#include "runtime/base/machine_memory.h"
#include "runtime/graph/op.h"
#include "runtime/onnx/load.h"
#include "runtime/plan/fold.h"
#include "runtime/session/c_api.h"
#include "runtime/session/graph_reach.h"
#include "runtime/session/parts.h"
#include "runtime/session/pixel_ends.h"
#ifdef TESSERA_VULKAN
#include "ops/vulkan/backend.h"
#endif

using namespace tessera;
using namespace tessera::c_api;

struct tessera_devices {
  struct Item {
    std::string id, name, driver;
    int64_t memory = 0;
    int threads = 0;
    bool software = false, fp16 = false, matrix_units = false;
  };
  std::vector<Item> items;
  std::string note;
};

struct tessera_steps {
  std::vector<StepInfo> items;
};

struct tessera_reach {
  GraphReach found;
  std::vector<std::pair<std::string, std::string>> names;  // of what each pool reads and makes
  std::vector<std::string> stretched;                      // values
};

namespace {

using UsedOperators = std::vector<std::pair<const OpDef*, size_t>>;

void count_operators(const Graph& graph, UsedOperators& found) {
  const auto full_name = [](const OpDef& op) { return std::pair(op.domain, op.name); };
  for (const Node& node : graph.nodes) {
    const auto same = [&](const auto& known) { return full_name(*known.first) == full_name(*node.op); };
    if (const auto known = std::find_if(found.begin(), found.end(), same); known != found.end())
      ++known->second;
    else
      found.emplace_back(node.op, 1);
    if (!node.attrs) continue;
    for (const auto& [name, attr] : *node.attrs)
      if (const auto* body = std::get_if<std::shared_ptr<Graph>>(&attr)) count_operators(**body, found);
  }
}

const UsedOperators& operators_of(tessera_session* session) {
  const std::lock_guard lock(session->mutex);
  if (session->operators.empty()) count_operators(session->session.as_loaded(), session->operators);
  return session->operators;
}

tessera_session* mutable_of(const tessera_session* session) { return const_cast<tessera_session*>(session); }

const Graph& folded_graph(tessera_session* session) {
  const std::lock_guard lock(session->mutex);
  if (!session->folded) {
    Graph graph = session->session.as_loaded();
    fold_constants(graph);
    session->folded = std::move(graph);
  }
  return *session->folded;
}

ValueId value_called(const Graph& graph, const char* name) {
  require(name);
  const ValueId id = find_value(graph, name);
  if (id == absent) fail(Error::Kind::usage, "the model has no value \"", name, "\"");
  return id;
}

template <class T>
std::vector<T> list_of(const T* values, size_t count) {
  if (count) require(values);
  return {values, values + count};
}

}  // namespace

tessera_status* tessera_session_forecast(const tessera_session* session, const tessera_tensor* inputs,
                                         size_t input_count, tessera_memory* memory) {
  return guard([&] {
    require(session);
    const Memory found = session->session.forecast(types_of(inputs, input_count));
    write_struct({0, found.weights_bytes, found.packed_bytes, found.arena_bytes, found.ends_bytes,
                  found.device_weights_bytes, found.device_bytes},
                 memory, "tessera_memory");
  });
}

tessera_status* tessera_session_device_memory(const tessera_session* session, int64_t* used, int64_t* budget) {
  return guard([&] {
    require(session, used, budget);
    const DeviceMemory memory = session->session.device_memory();
    *used = memory.used;
    *budget = memory.budget;
  });
}

tessera_status* tessera_session_traffic(const tessera_session* session, tessera_traffic* traffic) {
  return guard([&] {
    require(session);
    tessera_traffic found{};
    if (const Traffic* counted = session->session.traffic())
      found = {0, counted->uploaded_bytes, counted->downloaded_bytes, counted->submits, counted->busy_ns};
    write_struct(found, traffic, "tessera_traffic");
  });
}

tessera_status* tessera_session_facts(const tessera_session* session, tessera_facts* facts) {
  return guard([&] {
    require(session);
    const Session& s = session->session;
    write_struct({0, s.device_backend() != nullptr, s.threads(), s.runs_at_once(), s.row_step(), s.stores_halves()},
                 facts, "tessera_facts");
  });
}

tessera_status* tessera_devices_list(tessera_devices** devices) {
  return guard([&] {
    require(devices);
    *devices = nullptr;
    auto list = std::make_unique<tessera_devices>();
    list->items.push_back({"cpu", "CPU", "", total_memory(), available_cores()});
#ifdef TESSERA_VULKAN
    for (const vulkan::DeviceInfo& info : vulkan::devices(&list->note))
      list->items.push_back({cat("vulkan:", info.index), info.name, cat(info.driver, ", Vulkan ", info.api),
                             info.memory, 0, info.cpu_type, info.fp16, info.coopmat});
#else
    list->note = "this build has no Vulkan";
#endif
    if (list->items.size() > 1) list->note.clear();
    *devices = list.release();
  });
}
size_t tessera_devices_count(const tessera_devices* devices) { return devices ? devices->items.size() : 0; }
const char* tessera_devices_note(const tessera_devices* devices) { return devices ? devices->note.c_str() : ""; }
void tessera_devices_free(tessera_devices* devices) { delete devices; }

tessera_status* tessera_devices_get(const tessera_devices* devices, size_t index, tessera_device* device) {
  return guard([&] {
    require(devices);
    check_index(index, devices->items.size(), "device");
    const tessera_devices::Item& item = devices->items[index];
    write_struct({0, item.id.c_str(), item.name.c_str(), item.driver.c_str(), item.memory, item.threads, item.software,
                  item.fp16, item.matrix_units},
                 device, "tessera_device");
  });
}

tessera_status* tessera_session_model(const tessera_session* session, tessera_model* model) {
  return guard([&] {
    require(session);
    const Model& m = session->session.model();
    const onnx::About& about = session->session.about();
    write_struct(
        {0, m.path.c_str(), m.producer.c_str(), m.ir_version, m.weight_bytes, session->session.as_loaded().nodes.size(),
         m.metadata.size(), m.opsets.size(), operators_of(mutable_of(session)).size(), about.producer.c_str(),
         about.producer_version.c_str(), about.domain.c_str(), about.description.c_str(), about.graph_name.c_str(),
         about.graph_description.c_str(), about.version},
        model, "tessera_model");
  });
}

tessera_status* tessera_session_metadata(const tessera_session* session, size_t index, const char** key,
                                         const char** value) {
  return guard([&] {
    require(session, key, value);
    const auto& metadata = session->session.model().metadata;
    check_index(index, metadata.size(), "entry of metadata");
    *key = metadata[index].first.c_str();
    *value = metadata[index].second.c_str();
  });
}

tessera_status* tessera_session_opset(const tessera_session* session, size_t index, const char** domain, int* version) {
  return guard([&] {
    require(session, domain, version);
    const auto& opsets = session->session.model().opsets;
    check_index(index, opsets.size(), "operator set");
    *domain = opsets[index].first.c_str();
    *version = opsets[index].second;
  });
}

// Names of operators are literals, which end in 0.
tessera_status* tessera_session_operator(const tessera_session* session, size_t index, const char** domain,
                                         const char** name, size_t* nodes) {
  return guard([&] {
    require(session, domain, name, nodes);
    const UsedOperators& operators = operators_of(mutable_of(session));
    check_index(index, operators.size(), "operator");
    *domain = operators[index].first->domain.data();
    *name = operators[index].first->name.data();
    *nodes = operators[index].second;
  });
}

tessera_status* tessera_session_steps(const tessera_session* session, const tessera_tensor* inputs, size_t input_count,
                                      tessera_steps** steps) {
  return guard([&] {
    require(session, steps);
    *steps = nullptr;
    *steps = new tessera_steps{session->session.steps(types_of(inputs, input_count))};
  });
}
size_t tessera_steps_count(const tessera_steps* steps) { return steps ? steps->items.size() : 0; }
void tessera_steps_free(tessera_steps* steps) { delete steps; }

tessera_status* tessera_steps_get(const tessera_steps* steps, size_t index, tessera_step_facts* facts) {
  return guard([&] {
    require(steps);
    check_index(index, steps->items.size(), "step");
    const StepInfo& step = steps->items[index];
    write_struct({0, step.node.c_str(), step.op.c_str(), step.kernel.c_str(), step.backend.c_str(), step.why.c_str(),
                  step.flops, step.bytes, step.in.size(), step.out.size()},
                 facts, "tessera_step_facts");
  });
}

tessera_status* tessera_steps_operand(const tessera_steps* steps, size_t index, int output, size_t operand,
                                      tessera_tensor* type) {
  return guard([&] {
    require(steps, type);
    check_index(index, steps->items.size(), "step");
    const std::vector<Type>& side = output ? steps->items[index].out : steps->items[index].in;
    check_index(operand, side.size(), output ? "output" : "input");
    const Type& from = side[operand];
    const bool dense = from.dtype != DType::undefined && from.dtype != DType::string;
    *type = {static_cast<tessera_dtype>(from.dtype), from.shape.size(), from.shape.data(), nullptr,
             dense ? static_cast<size_t>(from.bytes()) : 0};
  });
}

tessera_status* tessera_session_reach(const tessera_session* session, const tessera_tensor* inputs, size_t input_count,
                                      const tessera_reach_query* query, tessera_reach** reach) {
  return guard([&] {
    require(session, query, reach);
    *reach = nullptr;
    const FloatEnvironment environment;
    const tessera_reach_query asked = read_struct(query, "tessera_reach_query");
    ReachQuery at{asked.input, asked.output, {}, {}};
    std::copy_n(asked.input_axes, 2, at.in_axes);
    std::copy_n(asked.output_axes, 2, at.out_axes);
    const Graph& graph = folded_graph(mutable_of(session));
    auto result = std::make_unique<tessera_reach>();
    result->found = reach_of(graph, types_of(inputs, input_count), at);
    for (const GraphPool& pool : result->found.pools)
      result->names.emplace_back(name_of(graph, pool.in), name_of(graph, pool.out));
    for (const GraphStretch& stretch : result->found.stretches)
      result->stretched.push_back(name_of(graph, stretch.out));
    *reach = result.release();
  });
}
void tessera_reach_free(tessera_reach* reach) { delete reach; }

tessera_status* tessera_reach_get(const tessera_reach* reach, tessera_reach_facts* facts) {
  return guard([&] {
    require(reach);
    const GraphReach& found = reach->found;
    tessera_reach_facts told{};
    told.followed = found.followed;
    told.global = found.global;
    told.reason = found.reason.c_str();
    for (size_t side = 0; side < 2; ++side) {
      told.step[side] = found.step[side].real();
      told.low[side] = found.low[side].real();
      told.high[side] = found.high[side].real();
      told.lattice[side] = found.lattice[side].num;
    }
    told.pool_count = found.pools.size();
    told.stretch_count = found.stretches.size();
    write_struct(told, facts, "tessera_reach_facts");
  });
}

tessera_status* tessera_reach_pool(const tessera_reach* reach, size_t index, tessera_pool* pool) {
  return guard([&] {
    require(reach);
    check_index(index, reach->found.pools.size(), "pool");
    const GraphPool& found = reach->found.pools[index];
    tessera_pool told{};
    told.in = reach->names[index].first.c_str();
    told.out = reach->names[index].second.c_str();
    told.dtype = static_cast<tessera_dtype>(found.type.dtype);
    told.rank = found.type.shape.size();
    told.dims = found.type.shape.data();
    told.largest = found.pooled == reach::Pooled::largest;
    told.pooled = static_cast<tessera_pooled>(static_cast<int>(found.pooled) - 1);
    told.stage = found.stage;
    for (size_t side = 0; side < 2; ++side) {
      told.axes[side] = static_cast<size_t>(found.axis[side]);
      told.step[side] = found.step[side];
      told.middle[side] = found.middle[side];
    }
    write_struct(told, pool, "tessera_pool");
  });
}

tessera_status* tessera_reach_stretch(const tessera_reach* reach, size_t index, tessera_stretch* stretch) {
  return guard([&] {
    require(reach);
    check_index(index, reach->found.stretches.size(), "stretch");
    const GraphStretch& found = reach->found.stretches[index];
    tessera_stretch told{};
    told.out = reach->stretched[index].c_str();
    for (size_t side = 0; side < 2; ++side) {
      told.in_extent[side] = found.weights[side].in;
      told.out_extent[side] = found.out_extent[side];
      told.in_step[side] = found.in_step[side];
      told.out_step[side] = found.out_step[side];
    }
    write_struct(told, stretch, "tessera_stretch");
  });
}

tessera_status* tessera_reach_weights(const tessera_reach* reach, size_t index, int side, int64_t out,
                                      int64_t out_count, int64_t in, int64_t in_count, float* matrix) {
  return guard([&] {
    require(reach, matrix);
    check_index(index, reach->found.stretches.size(), "stretch");
    check_index(static_cast<size_t>(side), 2, "side");
    const GraphStretch& found = reach->found.stretches[index];
    const reach::Weights& weights = found.weights[side];
    const int64_t extent = found.out_extent[side];
    if (out < 0 || in < 0 || out_count < 1 || in_count < 1 || out_count > extent - out || in_count > weights.in - in)
      fail(Error::Kind::usage, "elements ", out, "+", out_count, " of ", extent, ", made of ", in, "+", in_count,
           " of ", weights.in, ": there are no such");
    std::fill_n(matrix, out_count * in_count, 0.0f);
    for (int64_t o = 0; o < out_count; ++o)
      for (int64_t k = 0; k < weights.count; ++k) {
        const auto tap = static_cast<size_t>((out + o) * weights.count + k);
        const int64_t i = std::clamp<int64_t>(weights.index[tap] - in, 0, in_count - 1);
        matrix[side == 0 ? o * in_count + i : i * out_count + o] += static_cast<float>(weights.weight[tap]);
      }
  });
}

tessera_status* tessera_session_part(const tessera_session* session, const tessera_part* part,
                                     const tessera_options* options, tessera_session** result) {
  return load(result, [&] {
    require(session, part);
    const tessera_part wish = read_struct(part, "tessera_part");
    const Graph& whole = session->session.as_loaded();
    std::vector<ValueId> given, wanted, stretched;
    std::vector<Type> types;
    if (wish.given_count) require(wish.given, wish.given_types);
    if (wish.wanted_count) require(wish.wanted);
    for (size_t i = 0; i < wish.given_count; ++i) {
      given.push_back(value_called(whole, wish.given[i]));
      types.push_back(type_of(wish.given_types[i], "given value", i, -1));
    }
    for (size_t i = 0; i < wish.wanted_count; ++i) wanted.push_back(value_called(whole, wish.wanted[i]));
    if (wish.stretched_count) require(wish.stretched);
    for (size_t i = 0; i < wish.stretched_count; ++i) stretched.push_back(value_called(whole, wish.stretched[i]));
    Graph graph = part_of(whole, given, types, wanted, stretched);
    if (!options) return Session(session->session, std::move(graph));
    onnx::Loaded loaded;
    loaded.model = session->session.model();
    loaded.model.graph = std::move(graph);
    for (const auto& [name, value] : read_fixed(options)) fix_input(loaded, name, value);
    return Session(std::move(loaded), read(options));
  });
}

tessera_status* tessera_session_pixels(const tessera_session* session, const tessera_pixels_in* in,
                                       const tessera_pixels_out* out, tessera_session** result) {
  return load(result, [&] {
    require(session, in, out);
    const tessera_pixels_in from = read_struct(in, "tessera_pixels_in");
    const tessera_pixels_out to = read_struct(out, "tessera_pixels_out");
    const Graph& graph = session->session.model().graph;
    if (graph.inputs.size() != 1) fail(Error::Kind::usage, "the model has ", graph.inputs.size(), " inputs, not one");
    check_index(to.output, graph.outputs.size(), "output");
    for (const int bits : {from.bits, to.bits})
      if (bits != 8 && bits != 16) fail(Error::Kind::usage, "samples have 8 or 16 bits, not ", bits);
    const PixelsIn before{from.bits,
                          static_cast<int>(from.samples),
                          from.packed != 0,
                          list_of(from.from, from.channels),
                          list_of(from.black, from.channels),
                          list_of(from.white, from.channels)};
    const PixelsOut behind{to.bits,
                           to.output,
                           to.packed != 0,
                           to.batched != 0,
                           list_of(to.from, to.from_count),
                           to.mean != 0,
                           list_of(to.black, to.channels),
                           list_of(to.white, to.channels)};
    return Session(session->session, with_pixel_ends(graph, before, behind));
  });
}
