// Models: loaded, asked and run.
#include "buffer.h"
#include "opened.h"
#include "operators.h"
#include "value.h"
#include "wish.h"

#include <algorithm>
#include <cmath>

namespace tessera::python {
namespace {

PyObject* session_type = nullptr;

using Shared = std::shared_ptr<tessera_session>;

Shared open_session(PyObject* self) { return opened<tessera_session>(self, "the session is closed"); }

PyObject* make_session(PyTypeObject* type, PyObject* arguments, PyObject*) {
  return guard([&] {
    PyObject *source = nullptr, *fixed_pairs = nullptr, *definitions = nullptr;
    tessera_options options;
    tessera_options_init(&options);
    long long memory_limit = 0, most_rounds = 0;
    double deadline = 0;
    if (!PyArg_ParseTuple(arguments, "OzizpLzOpdLOp", &source, &options.device, &options.threads, &options.precision,
                          &options.optimize, &memory_limit, &options.name, &fixed_pairs, &options.fail_with_device,
                          &deadline, &most_rounds, &definitions, &options.copy_files))
      throw Raised();
    options.memory_limit = memory_limit;
    options.deadline_ms = static_cast<int64_t>(std::ceil(std::clamp(deadline, -1.0, 1e12) * 1000));
    options.most_rounds = most_rounds;
    const std::vector<tessera_fixed_input> fixed = fixed_inputs(fixed_pairs);
    options.fixed = fixed.data();
    options.fixed_count = fixed.size();
    const auto operators = operators_of(definitions);
    options.operators = operators.get();
    tessera_session* session = nullptr;
    open_source(
        source, [&](const char* path) { return tessera_session_load(path, &options, &session); },
        [&](const void* data, size_t bytes) { return tessera_session_load_memory(data, bytes, &options, &session); });
    Shared owner(session, tessera_session_free);  // before the next allocation, which may fail
    return wrap(reinterpret_cast<PyObject*>(type), std::make_unique<Shared>(std::move(owner)));
  });
}

// (kind, number of the dtype, extents or None, the item's type or None); an open extent is its name, or None.
Ref describe(const tessera_type* type) {
  if (!type) return Ref::none();
  tessera_type_facts facts;
  TESSERA_INIT(&facts);
  check(tessera_type_get(type, &facts));
  Ref shape = Ref::none();
  if (facts.ranked) {
    shape = list_of(facts.rank, [&](size_t i) {
      if (facts.dims[i] >= 0) return Ref(PyLong_FromLongLong(facts.dims[i]));
      const char* name = tessera_type_dim_name(type, i);
      return *name ? text(name) : Ref::none();
    });
    shape = Ref(PyList_AsTuple(shape.get()));
  }
  Ref item = describe(facts.item);
  return Ref(Py_BuildValue("iiNN", static_cast<int>(facts.kind), static_cast<int>(facts.dtype), shape.release(),
                           item.release()));
}

// (name, type, has a default, place)
template <class Get>
Ref ports(const Shared& session, Get get, size_t count) {
  return list_of(count, [&](size_t i) {
    tessera_port port;
    tessera_port_init(&port);
    check(get(session.get(), i, &port));
    return Ref(Py_BuildValue("NNOn", text(port.name).release(), describe(port.type).release(),
                             port.optional ? Py_True : Py_False, static_cast<Py_ssize_t>(port.place)));
  });
}

PyObject* inputs(PyObject* self, PyObject*) {
  return guard([&] {
    const Shared session = open_session(self);
    return ports(session, tessera_session_input,
                 tessera_session_input_count(session.get()) + tessera_session_optional_input_count(session.get()));
  });
}
PyObject* outputs(PyObject* self, PyObject*) {
  return guard([&] {
    const Shared session = open_session(self);
    return ports(session, tessera_session_output, tessera_session_output_count(session.get()));
  });
}

// Inputs of a run: plain tensors, or values where one of them is no dense tensor.
struct Inputs {
  std::unique_ptr<GivenList> tensors;
  std::vector<Value> held;
  std::vector<const tessera_value*> values;

  explicit Inputs(PyObject* list) {
    const std::vector<PyObject*> items = items_of(list);
    if (std::ranges::none_of(items, value_of)) {
      tensors = std::make_unique<GivenList>(list);
      return;
    }
    for (PyObject* item : items) {
      const tessera_value* value = value_of(item);
      if (!value && item != Py_None) value = held.emplace_back(value_around(item)).get();
      values.push_back(value);
    }
  }
  tessera_status* run(const tessera_session* session, const tessera_run_options& options, tessera_result** made) const {
    return tensors ? tessera_run_with(session, tensors->plain.data(), tensors->plain.size(), &options, made)
                   : tessera_run_values(session, values.data(), values.size(), &options, made);
  }
};

Ref output(const std::shared_ptr<tessera_result>& result, size_t index) {
  tessera_value* made = nullptr;
  check(tessera_result_value(result.get(), index, &made));
  Value value(made, tessera_value_free);
  if (tessera_value_kind(made) != TESSERA_TENSOR || tessera_value_dtype(made) == TESSERA_STRING)
    return wrap_value(std::move(value));
  tessera_tensor tensor;
  check(tessera_result_tensor(result.get(), index, &tensor));
  return wrap_tensor(tensor, result);
}

// Inputs, cancel, progress, step; a list of Tensors and Values.
PyObject* run(PyObject* self, PyObject* arguments) {
  return guard([&] {
    PyObject *list = nullptr, *cancel = nullptr, *progress = nullptr, *step = nullptr;
    if (!PyArg_ParseTuple(arguments, "OOOO", &list, &cancel, &progress, &step)) throw Raised();
    const Shared session = open_session(self);
    const Inputs in(list);
    struct Callbacks {
      Callback progress, step;
    } callbacks{Callback(progress), Callback(step)};
    tessera_run_options options;
    TESSERA_INIT(&options);
    options.context = &callbacks;
    if (callbacks.progress)
      options.progress = [](void* context, double done) {
        return static_cast<Callbacks*>(context)->progress([&] { return Ref(Py_BuildValue("(d)", done)); });
      };
    if (callbacks.step)
      options.step = [](void* context, const tessera_step* step) {
        static_cast<Callbacks*>(context)->step(
            [&] { return Ref(Py_BuildValue("sssd", step->node, step->op, step->kernel, step->seconds)); });
      };
    std::shared_ptr<tessera_result> result;
    run_until_done(cancel, callbacks.progress, [&](const tessera_cancel* wish) {
      options.cancel = wish;
      tessera_result* made = nullptr;
      tessera_status* status = in.run(session.get(), options, &made);
      if (made) result.reset(made, tessera_result_free);  // which allocates: beside a status nothing may fail
      return status;
    });
    callbacks.step.raise_again();
    return list_of(tessera_result_count(result.get()), [&](size_t i) { return output(result, i); });
  });
}

// Inputs, outputs, cancel.
PyObject* run_into(PyObject* self, PyObject* arguments) {
  return guard([&] {
    PyObject *in_list = nullptr, *out_list = nullptr, *cancel = nullptr;
    if (!PyArg_ParseTuple(arguments, "OOO", &in_list, &out_list, &cancel)) throw Raised();
    const Shared session = open_session(self);
    const GivenList in(in_list), out(out_list, true);
    Callback none(Py_None);
    run_until_done(cancel, none, [&](const tessera_cancel* wish) {
      return tessera_run_into(session.get(), in.plain.data(), in.plain.size(), out.plain.data(), out.plain.size(),
                              wish);
    });
    return Ref::none();
  });
}

// Inputs, outputs, cancel: buffers, or None for an input that is left out.
PyObject* run_buffers(PyObject* self, PyObject* arguments) {
  return guard([&] {
    PyObject *in_list = nullptr, *out_list = nullptr, *cancel = nullptr;
    if (!PyArg_ParseTuple(arguments, "OOO", &in_list, &out_list, &cancel)) throw Raised();
    const Shared session = open_session(self);
    std::vector<std::shared_ptr<tessera_buffer>> held;
    std::vector<const tessera_buffer*> in;
    std::vector<tessera_buffer*> out;
    for (PyObject* item : items_of(in_list)) in.push_back(held.emplace_back(buffer_of(item)).get());
    for (PyObject* item : items_of(out_list)) out.push_back(held.emplace_back(buffer_of(item)).get());
    Callback none(Py_None);
    run_until_done(cancel, none, [&](const tessera_cancel* wish) {
      tessera_run_options options;
      TESSERA_INIT(&options);
      options.cancel = wish;
      return tessera_run_buffers(session.get(), in.data(), in.size(), out.data(), out.size(), &options);
    });
    return Ref::none();
  });
}

// Input types, as (number of the dtype, extents): their data is not looked at.
struct Types {
  std::vector<std::vector<int64_t>> dims;
  std::vector<tessera_tensor> plain;
  explicit Types(PyObject* list) {
    for (PyObject* item : items_of(list)) {
      int number = 0;
      PyObject* shape = nullptr;
      if (!PyArg_ParseTuple(item, "iO", &number, &shape)) throw Raised();
      dims.push_back(numbers_of(shape));
      plain.push_back({static_cast<tessera_dtype>(number), dims.back().size(), dims.back().data(), nullptr, 0});
    }
  }
};

PyObject* output_type(PyObject* self, PyObject* arguments) {
  return guard([&] {
    PyObject* list = nullptr;
    Py_ssize_t index = 0;
    if (!PyArg_ParseTuple(arguments, "On", &list, &index)) throw Raised();
    const Shared session = open_session(self);
    const Types types(list);
    tessera_dtype dtype = TESSERA_UNDEFINED;
    std::vector<int64_t> dims(16);
    size_t rank = 0, bytes = 0;
    for (;;) {
      check(tessera_output_type(session.get(), types.plain.data(), types.plain.size(), static_cast<size_t>(index),
                                &dtype, dims.data(), dims.size(), &rank, &bytes));
      if (rank <= dims.size()) break;
      dims.resize(rank);
    }
    return Ref(Py_BuildValue("iN", static_cast<int>(dtype), tuple_of({dims.data(), rank}).release()));
  });
}

PyObject* forecast(PyObject* self, PyObject* list) {
  return guard([&] {
    const Shared session = open_session(self);
    const Types types(list);
    tessera_memory memory;
    TESSERA_INIT(&memory);
    tessera_status* status = nullptr;
    {
      const WithoutGil freely;
      status = tessera_session_forecast(session.get(), types.plain.data(), types.plain.size(), &memory);
    }
    check(status);
    return Ref(Py_BuildValue("{sLsLsLsLsLsL}", "weights", memory.weights, "packed", memory.packed, "arena",
                             memory.arena, "ends", memory.ends, "device_weights", memory.device_weights, "device",
                             memory.device));
  });
}

PyObject* model(PyObject* self, PyObject*) {
  return guard([&] {
    const Shared session = open_session(self);
    tessera_model model;
    TESSERA_INIT(&model);
    check(tessera_session_model(session.get(), &model));
    Ref metadata = list_of(model.metadata_count, [&](size_t i) {
      const char *key = nullptr, *value = nullptr;
      check(tessera_session_metadata(session.get(), i, &key, &value));
      return Ref(Py_BuildValue("(NN)", text(key).release(), text(value).release()));
    });
    Ref opsets = list_of(model.opset_count, [&](size_t i) {
      const char* domain = nullptr;
      int version = 0;
      check(tessera_session_opset(session.get(), i, &domain, &version));
      return Ref(Py_BuildValue("(si)", domain, version));
    });
    Ref operators = list_of(model.operator_count, [&](size_t i) {
      const char *domain = nullptr, *name = nullptr;
      size_t nodes = 0;
      check(tessera_session_operator(session.get(), i, &domain, &name, &nodes));
      return Ref(Py_BuildValue("(ssn)", domain, name, static_cast<Py_ssize_t>(nodes)));
    });
    return Ref(Py_BuildValue("{sNsNsNsNsNsNsNsLsisLsnsNsNsN}", "path", text(model.path).release(), "producer",
                             text(model.producer).release(), "producer_name", text(model.producer_name).release(),
                             "domain", text(model.domain).release(), "description", text(model.description).release(),
                             "graph_name", text(model.graph_name).release(), "graph_description",
                             text(model.graph_description).release(), "version", model.version, "ir_version",
                             model.ir_version, "weight_bytes", model.weight_bytes, "node_count",
                             static_cast<Py_ssize_t>(model.node_count), "metadata", metadata.release(), "opsets",
                             opsets.release(), "operators", operators.release()));
  });
}

PyObject* facts(PyObject* self, PyObject*) {
  return guard([&] {
    const Shared session = open_session(self);
    tessera_facts facts;
    TESSERA_INIT(&facts);
    check(tessera_session_facts(session.get(), &facts));
    int64_t used = 0, budget = 0;
    check(tessera_session_device_memory(session.get(), &used, &budget));
    return Ref(Py_BuildValue("{sOsisisisOsLsL}", "has_device", facts.has_device ? Py_True : Py_False, "threads",
                             facts.threads, "runs_at_once", facts.runs_at_once, "row_step", facts.row_step,
                             "stores_halves", facts.stores_halves ? Py_True : Py_False, "device_memory_used", used,
                             "device_memory_budget", budget));
  });
}

PyObject* get_device(PyObject* self, void*) {
  return guard([&] { return text(tessera_session_device(open_session(self).get())); });
}
PyObject* get_device_note(PyObject* self, void*) {
  return guard([&] { return text(tessera_session_device_note(open_session(self).get())); });
}
PyObject* get_closed(PyObject* self, void*) { return PyBool_FromLong(!of<Shared>(self)); }

// The machine's devices as dictionaries, and why the CPU is alone.
PyObject* devices(PyObject*, PyObject*) {
  return guard([&] {
    tessera_devices* made = nullptr;
    tessera_status* status = nullptr;
    {
      const WithoutGil freely;
      status = tessera_devices_list(&made);
    }
    check(status);
    const std::unique_ptr<tessera_devices, void (*)(tessera_devices*)> all(made, tessera_devices_free);
    Ref list = list_of(tessera_devices_count(made), [&](size_t i) {
      tessera_device device;
      TESSERA_INIT(&device);
      check(tessera_devices_get(made, i, &device));
      return Ref(Py_BuildValue("{sssNsNsLsisOsOsO}", "id", device.id, "name", text(device.name).release(), "driver",
                               text(device.driver).release(), "memory", device.memory, "threads", device.threads,
                               "software", device.software ? Py_True : Py_False, "fp16",
                               device.fp16 ? Py_True : Py_False, "matrix_units",
                               device.matrix_units ? Py_True : Py_False));
    });
    return Ref(Py_BuildValue("(NN)", list.release(), text(tessera_devices_note(made)).release()));
  });
}

PyGetSetDef properties[] = {{"device", get_device, nullptr, nullptr, nullptr},
                            {"device_note", get_device_note, nullptr, nullptr, nullptr},
                            {"closed", get_closed, nullptr, nullptr, nullptr},
                            {}};
PyMethodDef methods[] = {{"close", close<tessera_session>, METH_NOARGS, nullptr},
                         {"inputs", inputs, METH_NOARGS, nullptr},
                         {"outputs", outputs, METH_NOARGS, nullptr},
                         {"run", run, METH_VARARGS, nullptr},
                         {"run_into", run_into, METH_VARARGS, nullptr},
                         {"run_buffers", run_buffers, METH_VARARGS, nullptr},
                         {"output_type", output_type, METH_VARARGS, nullptr},
                         {"forecast", forecast, METH_O, nullptr},
                         {"model", model, METH_NOARGS, nullptr},
                         {"facts", facts, METH_NOARGS, nullptr},
                         {}};
PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate<Shared>)},
                       {Py_tp_new, reinterpret_cast<void*>(make_session)},
                       {Py_tp_getset, properties},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"tessera._core.Session", sizeof(Object<Shared>), 0, Py_TPFLAGS_DEFAULT, slots};
PyMethodDef functions[] = {{"devices", devices, METH_NOARGS, nullptr}, {}};

}  // namespace

void add_session(PyObject* module) {
  session_type = add_type(module, spec).release();
  add_functions(module, functions);
}

}  // namespace tessera::python
