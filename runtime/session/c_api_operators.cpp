// The C interface: operators of the program's own.
#include <limits>

#include "runtime/base/threads.h"
#include "runtime/graph/booleans.h"
#include "runtime/graph/operators.h"
#include "runtime/graph/types.h"
#include "runtime/session/c_api.h"

using namespace tessera;
using namespace tessera::c_api;

struct tessera_operators {
  std::shared_ptr<Operators> operators = std::make_shared<Operators>();
};

struct tessera_node {
  const Node& node;
  const List<const Tensor*>* constants = nullptr;  // in `create`
};

struct tessera_inference {
  Infer& problem;
  int needs = -1;  // the input whose value is not known yet
};

struct tessera_call {
  const Node& node;
  Threads* threads;
  List<View> in, out;      // of an operator with `infer`
  Frame* frame = nullptr;  // of one without
};

namespace {

// What the program gave, and its strings.
struct Definition : std::enable_shared_from_this<Definition> {
  tessera_operator given;
  std::string domain, name, types;
  bool owns = false;

  ~Definition() {
    if (owns && given.release) given.release(given.user);
  }
};

const Definition& definition_of(const Node& node) { return *static_cast<const Definition*>(node.op->user); }

// What a node has of its own, and what takes it away.
struct State {
  std::shared_ptr<const Definition> definition;
  void* state = nullptr;

  ~State() {
    if (state && definition->given.destroy) definition->given.destroy(definition->given.user, state);
  }
};

void* state_of(const Node& node) { return node.state ? static_cast<State*>(node.state.get())->state : nullptr; }

// A failure of the program's function, as an error of the node.
void check(tessera_status* status) {
  if (!status) return;
  const Error error(kind_of(tessera_status_code(status), Error::Kind::model), tessera_status_text(status));
  tessera_status_free(status);
  throw error;
}

std::shared_ptr<void> create(const Node& node, List<const Tensor*> constants) {
  auto state = std::make_shared<State>();
  state->definition = definition_of(node).shared_from_this();
  const tessera_operator& given = state->definition->given;
  const tessera_node told{node, &constants};
  check(given.create(given.user, &told, &state->state));
  return state;
}

void infer(Infer& problem) {
  const tessera_operator& given = definition_of(problem.node()).given;
  const tessera_node node{problem.node()};
  tessera_inference inference{problem};
  tessera_status* status = given.infer(given.user, state_of(node.node), &node, &inference);
  if (status && inference.needs >= 0) {
    tessera_status_free(status);
    throw NeedsValue{inference.needs};
  }
  check(status);
}

void run(tessera_call& call) {
  const tessera_operator& given = definition_of(call.node).given;
  const tessera_node node{call.node};
  check(given.run(given.user, state_of(call.node), &node, &call));
}

void reference(const Args& args) {
  tessera_call call{args.node(), args.threads, args.in, args.out};
  run(call);
  for (const View& out : args.out) make_booleans(out);
}

bool is_there(const Datum& datum) { return datum.kind != Kind::tensor || datum.tensor.bytes; }

void execute(Frame& frame) {
  const Node& node = frame.node();
  std::vector<Type> types;
  std::vector<DType> given, found(node.out.size());
  for (const Datum& datum : frame.in) {
    types.push_back(datum.tensor.type);
    given.push_back(datum.kind == Kind::tensor ? datum.tensor.type.dtype : DType::undefined);
  }
  check_types(node.op->types, types, given, found);
  for (size_t i = 0; i < found.size(); ++i) frame.out[i].tensor.type.dtype = found[i];
  tessera_call call{node, frame.threads(), {}, {}, &frame};
  run(call);
  for (size_t i = 0; i < frame.out.size(); ++i)
    if (node.out[i] != absent && !is_there(frame.out[i]))
      fail(Error::Kind::type, "its operator made no output ", i);
    else
      frame.out[i] = with_booleans(std::move(frame.out[i]));
}

// A type that the program sets; its dtype may be open.
Type type_set(tessera_dtype dtype, const int64_t* dims, size_t rank, size_t index) {
  if (dtype < TESSERA_UNDEFINED || dtype >= dtype_count)
    fail(Error::Kind::type, "output ", index, ": there is no data type ", +dtype);
  if (rank) require(dims);
  if (rank > 64) fail(Error::Kind::shape, "output ", index, " has rank ", rank);
  Type type{static_cast<DType>(dtype), Shape(List<int64_t>(dims, rank))};
  for (const int64_t extent : type.shape)
    if (extent < 0) fail(Error::Kind::shape, "output ", index, " would have shape ", type.shape);
  return type;
}

tessera_tensor type_told(const Type& type) {
  return {static_cast<tessera_dtype>(type.dtype), type.shape.size(), type.shape.data(), nullptr, 0};
}

// A tensor that lies in someone else's memory.
Tensor around(const View& view) { return {view.type, {std::shared_ptr<void>(), view.data}}; }

tessera_status* give(const Tensor& tensor, tessera_value** value) {
  return guard([&] {
    Datum datum;
    datum.tensor = tensor;
    *value = new tessera_value{std::move(datum)};
  });
}

const Attr* attribute_of(const tessera_node* node, const char* name) {
  require(node, name);
  return node->node.attrs ? find_attr(*node->node.attrs, name) : nullptr;
}

template <class T>
void set_numbers(const Attr& attr, size_t* count, const T** values) {
  if (const auto* one = std::get_if<T>(&attr)) {
    *values = one;
  } else if (const auto* many = std::get_if<std::vector<T>>(&attr)) {
    *values = many->data();
    *count = many->size();
  }
}

tessera_attribute attribute_told(const std::string& name, const Attr& attr) {
  constexpr tessera_attribute_kind kinds[] = {
      TESSERA_INTEGER, TESSERA_REAL,     TESSERA_TEXT,  TESSERA_TENSOR_ATTRIBUTE,
      TESSERA_GRAPH,   TESSERA_INTEGERS, TESSERA_REALS, TESSERA_TEXTS};
  static_assert(std::size(kinds) == std::variant_size_v<Attr>);
  tessera_attribute result{};
  result.name = name.c_str();
  result.kind = kinds[attr.index()];
  result.count = 1;
  set_numbers(attr, &result.count, &result.integers);
  set_numbers(attr, &result.count, &result.reals);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&attr)) result.count = texts->size();
  if (const auto* tensor = std::get_if<Tensor>(&attr)) result.tensor = told(*tensor);
  return result;
}

int most(size_t count) { return count > static_cast<size_t>(std::numeric_limits<int>::max()) ? many : int(count); }

OpDef made(const Definition& definition) {
  const tessera_operator& given = definition.given;
  OpDef op{definition.name,
           definition.domain,
           given.version,
           {static_cast<int>(given.min_inputs), most(given.max_inputs)},
           {static_cast<int>(given.min_outputs), most(given.max_outputs)},
           definition.types};
  op.folds = false;
  op.user = &definition;
  op.any_attrs = true;
  if (given.create) op.create = create;
  if (given.infer) {
    op.infer = infer;
    op.reference = reference;
  } else {
    op.execute = execute;
  }
  return op;
}

}  // namespace

tessera_status* tessera_operators_create(tessera_operators** operators) {
  return guard([&] {
    require(operators);
    *operators = nullptr;
    *operators = new tessera_operators;
  });
}

void tessera_operators_free(tessera_operators* operators) { delete operators; }

tessera_status* tessera_operators_add(tessera_operators* operators, const tessera_operator* definition) {
  return guard([&] {
    require(operators, definition);
    const tessera_operator given = read_struct(definition, "tessera_operator");
    if (!given.domain || !given.name || !*given.name) fail(Error::Kind::usage, "an operator has no name or domain");
    if (!given.run) fail(Error::Kind::usage, "operator ", given.domain, '.', given.name, " has no run function");
    if (given.min_inputs > given.max_inputs || given.min_outputs > given.max_outputs || given.min_inputs > 1000 ||
        given.min_outputs > 1000 || given.version < 1)
      fail(Error::Kind::usage, "operator ", given.domain, '.', given.name,
           " has counts of inputs or outputs, or a version, that cannot be");
    auto owner = std::make_shared<Definition>();
    owner->given = given;
    owner->domain = given.domain;
    owner->name = given.name;
    owner->types = given.types ? given.types : "";
    check_signature(owner->types);
    operators->operators->add(made(*owner), owner);
    owner->owns = true;
  });
}

std::shared_ptr<const Operators> tessera::c_api::operators_of(const tessera_operators* operators) {
  return operators ? operators->operators : nullptr;
}

// --- Nodes ------------------------------------------------------------------------------------

const char* tessera_node_name(const tessera_node* node) { return node ? node->node.name.c_str() : ""; }
int tessera_node_version(const tessera_node* node) { return node ? node->node.opset : 0; }
size_t tessera_node_input_count(const tessera_node* node) { return node ? node->node.in.size() : 0; }
size_t tessera_node_output_count(const tessera_node* node) { return node ? node->node.out.size() : 0; }
int tessera_node_has_input(const tessera_node* node, size_t index) {
  return node && index < node->node.in.size() && node->node.in[index] != absent;
}
int tessera_node_has_output(const tessera_node* node, size_t index) {
  return node && index < node->node.out.size() && node->node.out[index] != absent;
}

tessera_status* tessera_node_constant(const tessera_node* node, size_t index, tessera_value** value) {
  return guard([&] {
    require(node, value);
    *value = nullptr;
    if (!node->constants) fail(Error::Kind::usage, "constants are known in the create function alone");
    if (index < node->constants->size() && (*node->constants)[index])
      check(give((*node->constants)[index]->aligned(), value));
  });
}

size_t tessera_node_attribute_count(const tessera_node* node) {
  return node && node->node.attrs ? node->node.attrs->size() : 0;
}

tessera_status* tessera_node_attribute_at(const tessera_node* node, size_t index, tessera_attribute* attribute) {
  return guard([&] {
    require(node);
    check_index(index, tessera_node_attribute_count(node), "attribute");
    const auto& [name, attr] = (*node->node.attrs)[index];
    write_struct(attribute_told(name, attr), attribute, "tessera_attribute");
  });
}

tessera_status* tessera_node_attribute(const tessera_node* node, const char* name, tessera_attribute* attribute) {
  return guard([&] {
    tessera_attribute found{};
    if (const Attr* attr = attribute_of(node, name)) found = attribute_told(name, *attr);
    found.name = name;
    write_struct(found, attribute, "tessera_attribute");
  });
}

tessera_status* tessera_node_attribute_text(const tessera_node* node, const char* name, size_t index, const char** text,
                                            size_t* length) {
  return guard([&] {
    require(text);
    const Attr* attr = attribute_of(node, name);
    const auto* one = attr ? std::get_if<std::string>(attr) : nullptr;
    const auto* several = attr ? std::get_if<std::vector<std::string>>(attr) : nullptr;
    if (!one && !several) fail(Error::Kind::model, "attribute \"", name, "\" is ", attr ? "no text" : "missing");
    const List<std::string> texts = one ? List<std::string>(one, 1) : List<std::string>(*several);
    check_index(index, texts.size(), "text");
    *text = texts[index].c_str();
    if (length) *length = texts[index].size();
  });
}

tessera_status* tessera_node_attribute_value(const tessera_node* node, const char* name, tessera_value** value) {
  return guard([&] {
    require(value);
    *value = nullptr;
    const Attr* attr = attribute_of(node, name);
    const auto* tensor = attr ? std::get_if<Tensor>(attr) : nullptr;
    if (!tensor) fail(Error::Kind::model, "attribute \"", name, "\" is ", attr ? "no tensor" : "missing");
    check(give(tensor->aligned(), value));
  });
}

// --- Inference ----------------------------------------------------------------------------------

tessera_status* tessera_inference_input(const tessera_inference* inference, size_t index, tessera_tensor* type) {
  return guard([&] {
    require(inference, type);
    const int i = static_cast<int>(index);
    *type = inference->problem.has_input(i) ? type_told(inference->problem.in(i)) : tessera_tensor{};
  });
}

tessera_status* tessera_inference_value(tessera_inference* inference, size_t index, tessera_value** value) {
  return guard([&] {
    require(inference, value);
    *value = nullptr;
    const int i = static_cast<int>(index);
    inference->problem.in(i);
    const Tensor* known = inference->problem.constant(i);
    if (!known) {
      inference->needs = i;
      fail(Error::Kind::unsupported, "the value of input ", index, " is known only in a run");
    }
    check(give(known->aligned(), value));
  });
}

tessera_status* tessera_inference_set(tessera_inference* inference, size_t index, tessera_dtype dtype,
                                      const int64_t* dims, size_t rank) {
  return guard([&] {
    require(inference);
    check_index(index, static_cast<size_t>(inference->problem.outputs()), "output");
    const Type type = type_set(dtype, dims, rank, index);
    if (dtype == TESSERA_UNDEFINED)
      inference->problem.set(static_cast<int>(index), type.shape);
    else
      inference->problem.set(static_cast<int>(index), type.dtype, type.shape);
  });
}

// --- Calls ----------------------------------------------------------------------------------------

namespace {

// Input `index`, whatever it is; a tensor without bytes where it is left out.
Datum input_of(const tessera_call& call, size_t index) {
  if (call.frame) return index < call.frame->in.size() ? call.frame->in[index] : Datum{};
  Datum datum;
  if (index < call.in.size() && call.in[index].data) datum.tensor = around(call.in[index]);
  return datum;
}

Type output_type(const tessera_call& call, size_t index, tessera_dtype dtype, const int64_t* dims, size_t rank) {
  Type known = call.frame ? call.frame->out[index].tensor.type : call.out[index].type;
  if (!call.frame && !dims && rank == 0) return known;
  Type type = type_set(dtype == TESSERA_UNDEFINED ? static_cast<tessera_dtype>(known.dtype) : dtype, dims, rank, index);
  if (type.dtype == DType::undefined) fail(Error::Kind::type, "output ", index, " has no data type");
  if (known.dtype != DType::undefined && type.dtype != known.dtype)
    fail(Error::Kind::type, "output ", index, " is ", name_of(known.dtype), ", not ", name_of(type.dtype));
  if (!call.frame && type.shape != known.shape)
    fail(Error::Kind::shape, "output ", index, " is ", known, " by the infer function, not ", type);
  return type;
}

}  // namespace

tessera_status* tessera_call_input(const tessera_call* call, size_t index, tessera_tensor* tensor) {
  return guard([&] {
    require(call, tensor);
    const Datum datum = input_of(*call, index);
    if (datum.kind != Kind::tensor) fail(Error::Kind::type, "input ", index, " is not a tensor");
    *tensor = datum.tensor.bytes ? told(datum.tensor) : tessera_tensor{};
    // What was told lies in the call, not in the copy.
    if (datum.tensor.bytes)
      tensor->dims = (call->frame ? call->frame->in[index].tensor.type : call->in[index].type).shape.data();
  });
}

tessera_status* tessera_call_input_value(const tessera_call* call, size_t index, tessera_value** value) {
  return guard([&] {
    require(call, value);
    *value = nullptr;
    Datum datum = input_of(*call, index);
    if (is_there(datum)) *value = new tessera_value{std::move(datum)};
  });
}

tessera_status* tessera_call_output(tessera_call* call, size_t index, tessera_dtype dtype, const int64_t* dims,
                                    size_t rank, tessera_tensor* tensor) {
  return guard([&] {
    require(call, tensor);
    *tensor = {};
    if (index >= call->node.out.size() || call->node.out[index] == absent) return;
    const Type type = output_type(*call, index, dtype, dims, rank);
    if (type.dtype == DType::string)
      fail(Error::Kind::type, "output ", index, " is of strings: use tessera_call_set_output");
    if (!call->frame) {
      const View& view = call->out[index];
      *tensor = {static_cast<tessera_dtype>(view.type.dtype), view.type.shape.size(), view.type.shape.data(), view.data,
                 static_cast<size_t>(view.type.bytes())};
      return;
    }
    Tensor& made = call->frame->out[index].tensor;
    if (!made.bytes || made.type != type) made = Tensor::make(type);
    *tensor = told(made);
  });
}

tessera_status* tessera_call_set_output(tessera_call* call, size_t index, const tessera_value* value) {
  return guard([&] {
    require(call, value);
    if (index >= call->node.out.size() || call->node.out[index] == absent) return;
    if (call->frame) {
      call->frame->out[index] = value->datum;
      return;
    }
    const View& out = call->out[index];
    const Datum& datum = value->datum;
    if (datum.kind != Kind::tensor || datum.tensor.type != out.type)
      fail(Error::Kind::type, "output ", index, " is ", out.type, " by the infer function, the value is another");
    copy_elements(datum.tensor.view(), out);
  });
}

void tessera_call_parallel(const tessera_call* call, size_t count, tessera_task task, void* argument) {
  if (!call || !task) return;
  if (!call->threads) {
    for (size_t i = 0; i < count; ++i) task(argument, i);
    return;
  }
  call->threads->parallel(static_cast<int64_t>(count), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) task(argument, static_cast<size_t>(i));
  });
}

int tessera_call_threads(const tessera_call* call) { return call && call->threads ? call->threads->count() : 1; }
