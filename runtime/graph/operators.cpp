#include "runtime/graph/operators.h"

namespace tessera {
namespace {

Text canonical(Text domain) { return domain == "ai.onnx" ? Text{} : domain; }

}  // namespace

void Operators::add(const OpDef& definition, std::shared_ptr<const void> owner) {
  const Text domain = canonical(definition.domain);
  const auto refuse = [&](const auto&... why) {
    fail(Error::Kind::usage, "operator ", domain.empty() ? "ai.onnx" : domain, '.', definition.name, ' ', why...);
  };
  if (domain == internal_domain) refuse("cannot be added: the domain \"", internal_domain, "\" is tessera's own");
  if (find_op(domain, definition.name, std::numeric_limits<int>::max()))
    refuse("is one of tessera's own: choose another name or domain");
  for (const Added& known : added_)
    if (canonical(known.definition.domain) == domain && known.definition.name == definition.name &&
        known.definition.since == definition.since)
      refuse("version ", definition.since, " was added before");
  added_.push_back({definition, std::move(owner)});
}

const OpDef* Operators::find(Text domain, Text name, int opset) const {
  const OpDef* best = nullptr;
  for (const Added& known : added_) {
    const OpDef& op = known.definition;
    if (op.name != name || canonical(op.domain) != canonical(domain) || op.since > opset) continue;
    if (!best || op.since > best->since) best = &op;
  }
  return best ? best : find_op(domain, name, opset);
}

}  // namespace tessera
