// If: runs one of two subgraphs.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run_if(Frame& f) {
  if (f.in.empty()) fail(Error::Kind::model, "has no condition");
  const bool yes = only_integer(f.in[0], "the condition") != 0;
  std::vector<Datum> results = f.run(yes ? "then_branch" : "else_branch", {});
  if (results.size() < f.out.size()) expect_outputs(results, f.out.size());
  results.resize(f.out.size());
  f.out = std::move(results);
}

constexpr AttrDef attrs[] = {{"then_branch", 0, {}, true}, {"else_branch", 0, {}, true}};
const OpDef defs[] = {
    {.name = "If", .since = 1, .in = {1, 1}, .out = {1, many}, .types = {}, .attrs = attrs, .execute = run_if}};

}  // namespace

// The underscore keeps clear of the keyword.
extern const OpFile if_;
const OpFile if_{defs};

}  // namespace tessera::ops
