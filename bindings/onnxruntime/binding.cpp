// Inputs and outputs that are bound to a session by name, run after run.
#include <cstring>

#include "bindings/onnxruntime/table.h"

namespace tessera::ort {
namespace {

const Port& find(const std::vector<Port>& ports, const std::string& name, const char* what) {
  for (const Port& port : ports)
    if (port.name == name) return port;
  fail(code_invalid_argument, std::string("the model has no ") + what + " \"" + name + "\"");
}

void bind_output(IoBinding& binding, const char* name, std::unique_ptr<Value> value) {
  find(binding.session->outputs, name, "output");
  const bool bound = value != nullptr;
  for (size_t i = 0; i < binding.outputs.size(); ++i) {
    if (binding.outputs[i].first != name) continue;
    binding.outputs[i].second = std::move(value);
    binding.bound[i] = bound;
    return;
  }
  binding.outputs.emplace_back(name, std::move(value));
  binding.bound.push_back(bound);
}

}  // namespace

Status* CreateIoBinding(Session* session, IoBinding** out) {
  return guarded([&] {
    need(session, out);
    *out = new IoBinding{session, {}, {}, {}};
  });
}
void ReleaseIoBinding(IoBinding* binding) { delete binding; }

// A bound value shares its memory with the program's: what is written there is seen by the next run.
Status* BindInput(IoBinding* binding, const char* name, const Value* value) {
  return guarded([&] {
    need(binding, name, value);
    const std::vector<Port>& overridable = binding->session->overridable;
    bool known = false;
    for (const Port& port : overridable) known = known || port.name == name;
    if (!known) find(binding->session->inputs, name, "input");
    for (auto& [bound, old] : binding->inputs) {
      if (bound != name) continue;
      old = *value;
      return;
    }
    binding->inputs.emplace_back(name, *value);
  });
}
Status* BindOutput(IoBinding* binding, const char* name, const Value* value) {
  return guarded([&] {
    need(binding, name, value);
    bind_output(*binding, name, std::make_unique<Value>(*value));
  });
}
Status* BindOutputToDevice(IoBinding* binding, const char* name, const MemoryInfo* info) {
  return guarded([&] {
    need(binding, name, info);
    if (!info->is_host()) fail(code_not_implemented, "there is no memory of a device, \"" + info->name + "\"");
    bind_output(*binding, name, nullptr);
  });
}

Status* RunWithBinding(Session* session, const RunOptions* options, const IoBinding* binding) {
  return guarded([&] {
    need(session, binding);
    if (binding->session != session) fail(code_invalid_argument, "the binding is another session's");
    std::vector<const char*> input_names, output_names;
    std::vector<const Value*> inputs;
    std::vector<Value*> outputs;
    for (const auto& [name, value] : binding->inputs) {
      input_names.push_back(name.c_str());
      inputs.push_back(&value);
    }
    for (size_t i = 0; i < binding->outputs.size(); ++i) {
      output_names.push_back(binding->outputs[i].first.c_str());
      outputs.push_back(binding->bound[i] ? binding->outputs[i].second.get() : nullptr);
    }
    run(*session, options, input_names.data(), inputs.data(), inputs.size(), output_names.data(), output_names.size(),
        outputs.data());
    // The interface has the binding const, but its results are to be found in it.
    auto& kept = const_cast<IoBinding*>(binding)->outputs;
    for (size_t i = 0; i < kept.size(); ++i)
      if (!binding->bound[i]) kept[i].second.reset(outputs[i]);
  });
}

Status* GetBoundOutputNames(const IoBinding* binding, Allocator* allocator, char** out, size_t** lengths,
                            size_t* count) {
  return guarded([&] {
    need(binding, allocator, out, lengths, count);
    std::string all;
    for (const auto& entry : binding->outputs) all += entry.first;
    *count = binding->outputs.size();
    *out = nullptr;
    *lengths = nullptr;
    if (binding->outputs.empty()) return;
    *out = static_cast<char*>(take(allocator, all.size()));
    std::memcpy(*out, all.data(), all.size());
    *lengths = static_cast<size_t*>(take(allocator, binding->outputs.size() * sizeof(size_t)));
    for (size_t i = 0; i < binding->outputs.size(); ++i) (*lengths)[i] = binding->outputs[i].first.size();
  });
}
Status* GetBoundOutputValues(const IoBinding* binding, Allocator* allocator, Value*** out, size_t* count) {
  return guarded([&] {
    need(binding, allocator, out, count);
    *out = nullptr;
    *count = binding->outputs.size();
    if (binding->outputs.empty()) return;
    std::vector<std::unique_ptr<Value>> values;
    for (const auto& entry : binding->outputs) {
      if (!entry.second) fail(code_fail, "output \"" + entry.first + "\" has no value: there was no run yet");
      values.push_back(std::make_unique<Value>(*entry.second));
    }
    *out = static_cast<Value**>(take(allocator, values.size() * sizeof(Value*)));
    for (size_t i = 0; i < values.size(); ++i) (*out)[i] = values[i].release();
  });
}
void ClearBoundInputs(IoBinding* binding) {
  if (binding) binding->inputs.clear();
}
void ClearBoundOutputs(IoBinding* binding) {
  if (!binding) return;
  binding->outputs.clear();
  binding->bound.clear();
}
// All is in the host's memory as soon as a run is over.
Status* SynchronizeBoundInputs(IoBinding*) { return nullptr; }
Status* SynchronizeBoundOutputs(IoBinding*) { return nullptr; }

}  // namespace tessera::ort
