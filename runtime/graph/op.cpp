#include "runtime/graph/op.h"

#include <algorithm>
#include <unordered_map>

#include "runtime/graph/types.h"

namespace tessera {

namespace ops {
extern const OpFile* const op_files[];
extern const int op_file_count;
}  // namespace ops

namespace {

Text canonical(Text domain) { return domain == "ai.onnx" ? Text{} : domain; }

struct Registry {
  std::vector<const OpDef*> definitions;
  std::unordered_multimap<Text, const OpDef*> by_name;

  Registry() {
    for (int i = 0; i < ops::op_file_count; ++i)
      for (const OpDef& op : ops::op_files[i]->definitions) {
        definitions.push_back(&op);
        by_name.emplace(op.name, &op);
      }
  }
};

const Registry& registry() {
  static const Registry instance;
  return instance;
}

}  // namespace

const OpDef* find_op(Text domain, Text name, int opset) {
  const OpDef* best = nullptr;
  const auto [begin, end] = registry().by_name.equal_range(name);
  for (auto it = begin; it != end; ++it) {
    const OpDef* op = it->second;
    if (canonical(op->domain) != canonical(domain) || op->since > opset) continue;
    if (!best || op->since > best->since) best = op;
  }
  return best;
}

const std::vector<const OpDef*>& all_ops() { return registry().definitions; }

// --- AttrReader ------------------------------------------------------------------------------

namespace {

const AttrDef* find_default(const OpDef* op, Text name) {
  if (op)
    for (const AttrDef& def : op->attrs)
      if (def.name == name) return &def;
  return nullptr;
}

template <class T>
const T* typed(const Attr* attr, Text name, Text kind) {
  if (!attr) return nullptr;
  if (const T* value = std::get_if<T>(attr)) return value;
  fail(Error::Kind::model, "attribute \"", name, "\" is not ", kind);
}

template <class T>
List<T> list(const Attr* attr, Text name, Text kind) {
  const auto* values = typed<std::vector<T>>(attr, name, kind);
  return values ? List<T>(*values) : List<T>{};
}

}  // namespace

const Attr* AttrReader::find(Text name) const { return node_->attrs ? find_attr(*node_->attrs, name) : nullptr; }

bool AttrReader::has(Text name) const { return find(name) != nullptr; }

int64_t AttrReader::integer(Text name) const {
  if (const auto* value = typed<int64_t>(find(name), name, "an integer")) return *value;
  if (const AttrDef* def = find_default(node_->op, name)) return static_cast<int64_t>(def->number);
  return 0;
}

float AttrReader::real(Text name) const {
  if (const auto* value = typed<float>(find(name), name, "a float")) return *value;
  if (const AttrDef* def = find_default(node_->op, name)) return static_cast<float>(def->number);
  return 0;
}

Text AttrReader::text(Text name) const {
  if (const auto* value = typed<std::string>(find(name), name, "a string")) return *value;
  if (const AttrDef* def = find_default(node_->op, name)) return def->text;
  return {};
}

List<int64_t> AttrReader::integers(Text name) const {
  // Some exporters write an empty list without a type: any empty list will do.
  const Attr* attr = find(name);
  if (attr)
    if (const auto* floats = std::get_if<std::vector<float>>(attr); floats && floats->empty()) return {};
  return list<int64_t>(attr, name, "a list of integers");
}

List<float> AttrReader::reals(Text name) const { return list<float>(find(name), name, "a list of floats"); }

List<std::string> AttrReader::texts(Text name) const {
  return list<std::string>(find(name), name, "a list of strings");
}

const Tensor& AttrReader::tensor(Text name) const {
  if (const auto* value = typed<Tensor>(find(name), name, "a tensor")) return *value;
  fail(Error::Kind::model, "attribute \"", name, "\" is missing");
}

const Graph& AttrReader::graph(Text name) const {
  if (const auto* value = typed<std::shared_ptr<Graph>>(find(name), name, "a graph")) return **value;
  fail(Error::Kind::model, "attribute \"", name, "\" is missing");
}

// --- Infer -----------------------------------------------------------------------------------

int normalize_axis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) fail(Error::Kind::shape, "axis ", axis, " is outside a tensor of rank ", rank);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Shape broadcast(const Shape& a, const Shape& b) {
  const size_t rank = std::max(a.size(), b.size());
  Shape out(rank, 1);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = i + a.size() < rank ? 1 : a[i + a.size() - rank];
    const int64_t y = i + b.size() < rank ? 1 : b[i + b.size() - rank];
    if (x != y && x != 1 && y != 1)
      fail(Error::Kind::shape, "shapes ", a, " and ", b, " do not broadcast: ", x, " vs ", y);
    out[i] = x == 1 ? y : x;
  }
  return out;
}

Infer::Infer(const Node& node, List<Type> in, List<const Tensor*> constants)
    : AttrReader(node),
      out(node.out.size()),
      in_(in.begin(), in.end()),
      constants_(constants.begin(), constants.end()) {}

bool Infer::has_input(int i) const { return i >= 0 && i < inputs() && node().in[static_cast<size_t>(i)] != absent; }

bool Infer::wants(int i) const { return i >= 0 && i < outputs() && node().out[static_cast<size_t>(i)] != absent; }

const Type& Infer::in(int i) const {
  if (!has_input(i)) fail(Error::Kind::model, "input ", i, " is missing");
  return in_[static_cast<size_t>(i)];
}

const Tensor* Infer::constant(int i) const { return has_input(i) ? constants_[static_cast<size_t>(i)] : nullptr; }

const Tensor& Infer::value(int i) const {
  in(i);
  if (const Tensor* tensor = constant(i)) return *tensor;
  throw NeedsValue{i};
}

std::vector<int64_t> Infer::integers_of(int i) const { return as_integers(value(i).view()); }

int64_t Infer::integer_of(int i) const {
  const std::vector<int64_t> values = integers_of(i);
  if (values.size() != 1) fail(Error::Kind::shape, "input ", i, " is ", in(i), ", but must be one number");
  return values[0];
}

// More axes than this have no use, and no message that could be read.
static void check_rank(const Shape& shape) {
  constexpr size_t most = 64;
  if (shape.size() > most)
    fail(Error::Kind::shape, "a result of rank ", shape.size(), ": at most ", most, " are known");
}

void Infer::set(int i, const Shape& shape) {
  check_rank(shape);
  if (static_cast<size_t>(i) < out.size()) out[static_cast<size_t>(i)].type.shape = shape;
}

void Infer::set(int i, DType dtype, const Shape& shape) {
  check_rank(shape);
  if (static_cast<size_t>(i) < out.size()) out[static_cast<size_t>(i)].type = {dtype, shape};
}

void Infer::set_value(int i, Tensor value) {
  if (static_cast<size_t>(i) >= out.size()) return;
  out[static_cast<size_t>(i)].type = value.type;
  out[static_cast<size_t>(i)].value = std::make_shared<const Tensor>(std::move(value));
}

void infer(Infer& problem) {
  const Node& node = problem.node();
  std::vector<Type> types;
  std::vector<DType> given, found(node.out.size());
  for (size_t i = 0; i < node.op_inputs(); ++i) {
    const bool present = problem.has_input(static_cast<int>(i));
    types.push_back(present ? problem.in(static_cast<int>(i)) : Type{});
    given.push_back(types.back().dtype);
  }
  if (static_cast<int>(given.size()) < node.op->in.min)
    fail(Error::Kind::model, "has ", given.size(), " inputs, but needs at least ", node.op->in.min);
  check_types(node.op->types, types, given, found);
  for (size_t i = 0; i < found.size(); ++i) problem.out[i].type.dtype = found[i];
  node.op->infer(problem);
  for (size_t i = 0; i < found.size(); ++i) {
    const Type& type = problem.out[i].type;
    if (!problem.wants(static_cast<int>(i))) continue;
    for (const int64_t dim : type.shape)
      if (dim < 0) fail(Error::Kind::shape, "output ", i, " would have shape ", type.shape);
    if (type.dtype == DType::undefined) fail(Error::Kind::type, "output ", i, " has no known data type");
    type.bytes();
  }
}

}  // namespace tessera
