// Every case of tests/cases/ on every CPU kernel that takes it: at every level that this machine has and in every
// precision, in the kernel's own layout, on element-aligned memory and for several thread counts, against the
// operator's reference.
#include <algorithm>
#include <cstring>

#include "ops/cpu/backend.h"
#include "ops/cpu/kernel.h"
#include "ops/cpu/level.h"
#include "tests/cases/case.h"
#include "tests/support.h"

namespace tessera::test {
namespace {

using cpu::Level;

// Bytes at an address that is a multiple of the element's size and of nothing more, with a guard behind.
class Memory {
 public:
  Memory(const Type& type, int filler) : bytes_(type.bytes()) {
    const int64_t size = std::max(1, bits_of(type.dtype) / 8);
    store_.assign(static_cast<size_t>(bytes_ + 256), std::byte(filler));
    auto address = reinterpret_cast<uintptr_t>(store_.data());
    data_ = store_.data() + ((address + 63) / 64 * 64 - address) + size;
    std::memset(data_ + bytes_, 0x5a, 64);
    view_ = {type, data_};
  }
  const View& view() const { return view_; }
  bool intact() const {
    return std::all_of(data_ + bytes_, data_ + bytes_ + 64, [](std::byte b) { return b == std::byte(0x5a); });
  }
  bool equals(const Memory& other) const {
    return bytes_ == other.bytes_ && std::memcmp(data_, other.data_, static_cast<size_t>(bytes_)) == 0;
  }

 private:
  int64_t bytes_;
  std::vector<std::byte> store_;
  std::byte* data_;
  View view_;
};

int64_t blocked_index(const Shape& s, int64_t block, int64_t n, int64_t c, int64_t at) {
  const int64_t plane = s[2] * s[3];
  return ((n * ((s[1] + block - 1) / block) + c / block) * plane + at) * block + c % block;
}

// Calls f(row-major index, blocked index) for every element.
template <class F>
void for_blocked(const Shape& s, int64_t block, const F& f) {
  int64_t i = 0;
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t c = 0; c < s[1]; ++c)
      for (int64_t at = 0; at < s[2] * s[3]; ++at) f(i++, blocked_index(s, block, n, c, at));
}

std::unique_ptr<Memory> in_layout(const Tensor& tensor, Layout layout) {
  Type type = tensor.type;
  type.layout = layout;
  auto memory = std::make_unique<Memory>(type, 0);
  if (layout == Layout::row_major) {
    std::memcpy(memory->view().data, tensor.bytes.get(), static_cast<size_t>(type.bytes()));
    return memory;
  }
  const int64_t size = bits_of(type.dtype) / 8;
  for_blocked(type.shape, layout.block(), [&](int64_t i, int64_t b) {
    std::memcpy(memory->view().data + b * size, tensor.bytes.get() + i * size, static_cast<size_t>(size));
  });
  return memory;
}

// The row-major tensor; channels behind the last one must be zeros, whatever the epilogue does.
Tensor row_major(const View& view, const std::string& what) {
  Tensor plain = Tensor::make({view.type.dtype, view.type.shape});
  const int64_t size = bits_of(view.type.dtype) / 8;
  if (view.type.layout == Layout::row_major) {
    if (view.type.bytes()) std::memcpy(plain.bytes.get(), view.data, static_cast<size_t>(view.type.bytes()));
    return plain;
  }
  std::vector<bool> seen(static_cast<size_t>(view.type.stored_elements()));
  for_blocked(view.shape(), view.type.layout.block(), [&](int64_t i, int64_t b) {
    std::memcpy(plain.bytes.get() + i * size, view.data + b * size, static_cast<size_t>(size));
    seen[static_cast<size_t>(b)] = true;
  });
  for (size_t b = 0; b < seen.size(); ++b)
    for (int64_t i = 0; i < size && !seen[b]; ++i)
      if (view.data[static_cast<int64_t>(b) * size + i] != std::byte{0}) {
        ADD_FAILURE() << what << ": padding at " << b;
        return plain;
      }
  return plain;
}

class CpuCase {
 public:
  explicit CpuCase(const Case& c) : case_(c), question_(c) {}

  // The kernels that only this precision has, at every level.
  void run(Precision precision) {
    const Level best = cpu::best_level();
    for (const Level level : cpu::all_levels) {
      if (level > best || (precision > Precision::exact && level < Level::avx512bf16)) continue;
      cpu::pin_level(level);
      const auto backend = cpu::make_backend(precision);
      std::vector<Offer> offers;
      backend->offers(question_.problem(), offers);
      // What an exact session runs transforms nothing.
      const bool transforms = offers.front().name.find("winograd") != Text::npos;
      EXPECT_FALSE(precision == Precision::exact && transforms) << title(level, offers.front().name);
      const auto is_other = [&](const Offer& offer) {
        return !offer.kernel || static_cast<const cpu::CpuKernel*>(offer.kernel)->precision != precision;
      };
      offers.erase(std::remove_if(offers.begin(), offers.end(), is_other), offers.end());
      const int least = precision == Precision::fp32    ? case_.least
                        : precision == Precision::exact ? 0
                                                        : case_.least_rounded;
      EXPECT_GE(static_cast<int>(offers.size()), least) << title(level, "");
      for (const Offer& offer : offers) compare(*backend, offer, level, precision);
    }
    cpu::pin_level(best);
  }

 private:
  using Memories = std::vector<std::unique_ptr<Memory>>;

  std::string title(Level level, Text kernel) const {
    return cat(question_.title(), ", ", kernel, " at ", name_of(level));
  }

  // Element-aligned inputs in the offer's layout, outputs full of NaN.
  Memories outputs(const HostBackend& backend, const Offer& offer, int threads) const {
    Memories in, out;
    std::vector<View> in_views, out_views;
    const Node& node = question_.node();
    for (size_t i = 0; i < node.in.size(); ++i) {
      const Input& input = question_.inputs()[i];
      if (node.in[i] == absent) {
        in_views.push_back({});
        continue;
      }
      const Type& type = input.tensor.type;
      const Layout wanted = input.constant ? Layout::row_major : i < node.op_inputs() ? offer.in : offer.out;
      in.push_back(in_layout(input.tensor, wanted.of(type.dtype, type.shape.rank())));
      in_views.push_back(in.back()->view());
    }
    for (Type type : question_.out_types()) {
      type.layout = offer.out.of(type.dtype, type.shape.rank());
      out.push_back(std::make_unique<Memory>(type, 0xff));
      out_views.push_back(out.back()->view());
    }
    const Problem problem = question_.problem();
    const auto packed = backend.pack(offer, problem);
    Threads pool(threads);
    const Guarded scratch(backend.scratch_bytes(offer, problem, threads)), kept(backend.kept_bytes(offer, problem));
    Args args(node, in_views, out_views);
    args.packed = packed.get();
    args.scratch = scratch.data();
    args.kept = kept.data();
    backend.run(offer, args, pool);
    EXPECT_TRUE(scratch.intact() && kept.intact()) << offer.name << " wrote behind its scratch";
    return out;
  }

  void compare(const HostBackend& backend, const Offer& offer, Level level, Precision precision) {
    const std::string name = title(level, offer.name);
    EXPECT_TRUE(offer.row_step == 0 || backend.row_step() % offer.row_step == 0) << name;
    if (expected_.empty()) expected_ = question_.expected();
    const Memories one = outputs(backend, offer, 1), three = outputs(backend, offer, 3);
    // The worst of many random sums; over whole models the largest tiles of Winograd cost nothing.
    double of_range = case_.of_range * (offer.name.find("winograd 6") != Text::npos ? 3 : 1);
    if (precision == Precision::exact && case_.of_range_exact > 0) of_range = case_.of_range_exact;
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_TRUE(one[i]->intact()) << name << " writes behind its output";
      EXPECT_TRUE(one[i]->equals(*three[i])) << name << " depends on the number of threads";
      const Tensor got = row_major(one[i]->view(), name);
      Tensor wanted = expected_[i];
      double absolute = case_.absolute;
      if (of_range > 0) {
        const auto values = elements(wanted);
        const auto [low, high] = std::minmax_element(values.begin(), values.end());
        if (!values.empty()) absolute += of_range * (std::max(*high, 0.0) - std::min(*low, 0.0));
        wanted = tensor(got.type.dtype, got.type.shape, values.empty() ? std::vector<double>{0} : values);
      }
      EXPECT_TRUE(close(got, wanted, case_.relative, absolute)) << name;
    }
  }

  Case case_;
  Question question_;
  std::vector<Tensor> expected_;
};

// The case with numbers that bfloat16 holds, whose products are exact.
Case rounded(Case c) {
  for (Input& input : c.in) {
    if (input.tensor.type.dtype != DType::float32) continue;
    input.tensor = input.tensor.clone();
    for (int64_t i = 0; i < input.tensor.type.shape.elements(); ++i)
      input.tensor.as<float>()[i] = bfloat16(input.tensor.as<float>()[i]);
  }
  return c;
}

void check(const Case& c) {
  const OpDef* op = find_op(c.domain, c.op, c.opset);
  if (op && !op->reference) return;  // its outputs follow from data: there is one way to run it
  CpuCase plain(c);
  plain.run(Precision::fp32);
  plain.run(Precision::exact);
  if (cpu::best_level() < Level::avx512bf16) return;
  CpuCase(rounded(c)).run(Precision::bf16);
  // Products of three parts are nearly float32.
  Case split = c;
  if (c.of_range > 0)
    split.of_range = 4 * c.of_range;
  else
    split.absolute = std::max(c.absolute, 1e-3);
  CpuCase(split).run(Precision::bf16x3);
}

class CpuCases : public testing::TestWithParam<const CaseList*> {};

// Devices lose it.
TEST(CpuPools, KeepWhatIsNoNumber) {
  Input some = random({1, 2, 6, 40});  // with numbers that are none
  for (const int64_t i : {0, 17, 100, 479}) some.tensor.as<float>()[i] = std::numeric_limits<float>::quiet_NaN();
  for (const int64_t extent : {2, 3})
    for (const int64_t stride : {1, 2})
      check({.op = "MaxPool",
             .in = {some},
             .attrs = {attr("kernel_shape", list({extent, extent})), attr("strides", list({stride, stride}))}});
}

TEST_P(CpuCases, Agree) { GetParam()->give(Taker{check, false}); }

INSTANTIATE_TEST_SUITE_P(All, CpuCases, testing::ValuesIn(all_case_lists()),
                         [](const auto& list) { return std::string(list.param->name); });

}  // namespace
}  // namespace tessera::test
