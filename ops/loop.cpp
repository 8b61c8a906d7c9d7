// Loop: rounds of a subgraph with carried values; what it gives besides is stacked.
#include "ops/containers.h"

namespace tessera::ops {
namespace {

void run_loop(Frame& f) {
  const bool limited = f.has_in(0);
  const int64_t limit = limited ? only_integer(f.in[0], "the trip count") : 0;
  bool going = !f.has_in(1) || only_integer(f.in[1], "the condition") != 0;
  const size_t carried = f.in.size() < 2 ? 0 : f.in.size() - 2;
  if (f.out.size() < carried) fail(Error::Kind::model, carried, " carried values, but ", f.out.size(), " outputs");
  const size_t scans = f.out.size() - carried;
  std::vector<Datum> state(f.in.begin() + static_cast<ptrdiff_t>(f.in.size() - carried), f.in.end());
  std::vector<std::vector<Tensor>> stacks(scans);
  for (int64_t round = 0; going && (!limited || round < limit); ++round) {
    f.check_cancelled();
    std::vector<Datum> in{datum_of(Tensor::scalar(round)), datum_of(boolean(true))};
    in.insert(in.end(), state.begin(), state.end());
    std::vector<Datum> out = f.run("body", std::move(in));
    expect_outputs(out, 1 + carried + scans);
    going = only_integer(out[0], "the loop's condition") != 0;
    for (size_t i = 0; i < carried; ++i) state[i] = std::move(out[1 + i]);
    for (size_t i = 0; i < scans; ++i) {
      if (out[1 + carried + i].kind != Kind::tensor) fail(Error::Kind::type, "a scan output is not a tensor");
      stacks[i].push_back(std::move(out[1 + carried + i].tensor));
    }
  }
  std::vector<Type> types{{DType::int64, {}}, {DType::boolean, {}}};
  for (const Datum& datum : state) types.push_back(type_of(datum));
  for (size_t i = 0; i < carried; ++i) f.out[i] = std::move(state[i]);
  for (size_t i = 0; i < scans; ++i)
    f.out[carried + i] = datum_of(stacks[i].empty() ? empty_scan(f, types, 1 + carried + i) : join(stacks[i], 0, true));
}

constexpr AttrDef attrs[] = {{"body", 0, {}, true}};
const OpDef defs[] = {
    {.name = "Loop", .since = 1, .in = {0, many}, .out = {0, many}, .types = {}, .attrs = attrs, .execute = run_loop}};

}  // namespace

extern const OpFile loop;
const OpFile loop{defs};

}  // namespace tessera::ops
