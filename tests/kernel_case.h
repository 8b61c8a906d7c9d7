// One problem for every CPU kernel that takes it: at every level this machine has, in the kernel's own
// layout, on element-aligned memory and for several thread counts, against the operator's reference.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

#include "ops/cpu/kernel.h"
#include "ops/cpu/level.h"
#include "ops/elementwise.h"
#include "tests/support.h"

namespace tessera::test {

using cpu::Level;

struct Input {
  Tensor tensor = {};
  bool constant = false;
};

struct Case {
  Text op = {};
  int opset = 18;
  std::vector<Input> in = {};
  Attrs attrs = {};
  std::vector<Fused> epilogue = {};  ///< operands count from the first input in `operands`
  std::vector<Input> operands = {};
  size_t outputs = 1;
  double relative = 2e-5, absolute = 2e-6;
  int least = 1;          ///< kernels that must be offered
  int least_rounded = 0;  ///< those of bf16, and those of bf16x3, where the machine has them
  Text domain = {};
  DType out_type = DType::undefined;  ///< where the epilogue changes it
};

/// Bytes at an address that is a multiple of the element's size and of nothing more, with a guard behind.
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
    for (int i = 0; i < 64; ++i)
      if (data_[bytes_ + i] != std::byte(0x5a)) return false;
    return true;
  }
  std::vector<std::byte> bytes() const { return {data_, data_ + bytes_}; }

 private:
  int64_t bytes_;
  std::vector<std::byte> store_;
  std::byte* data_;
  View view_;
};

inline int64_t blocked_index(const Shape& s, int64_t n, int64_t c, int64_t at) {
  const int64_t plane = s[2] * s[3];
  return ((n * ((s[1] + 15) / 16) + c / 16) * plane + at) * 16 + c % 16;
}

/// Calls f(row-major index, blocked index) for every element.
template <class F>
void for_blocked(const Shape& s, const F& f) {
  int64_t i = 0;
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t c = 0; c < s[1]; ++c)
      for (int64_t at = 0; at < s[2] * s[3]; ++at) f(i++, blocked_index(s, n, c, at));
}

inline std::unique_ptr<Memory> place(const Tensor& tensor, Layout layout) {
  Type type = tensor.type;
  type.layout = layout;
  auto memory = std::make_unique<Memory>(type, 0);
  if (layout == Layout::row_major)
    std::memcpy(memory->view().data, tensor.bytes.get(), static_cast<size_t>(type.bytes()));
  else
    for_blocked(type.shape, [&](int64_t i, int64_t b) {
      const int64_t size = bits_of(type.dtype) / 8;
      std::memcpy(memory->view().data + b * size, tensor.bytes.get() + i * size, static_cast<size_t>(size));
    });
  return memory;
}

class Bench {
 public:
  explicit Bench(const Case& c) : case_(c) {
    node_.op = find_op(c.domain, c.op, c.opset);
    if (!node_.op) fail(Error::Kind::unsupported, "no operator ", c.op);
    node_.opset = c.opset;
    node_.attrs = std::make_shared<const Attrs>(c.attrs);
    for (const Input& input : c.in) add(input);
    if (!c.operands.empty()) node_.own_inputs = static_cast<int>(inputs_.size());
    const auto own = static_cast<int16_t>(inputs_.size());
    for (const Input& input : c.operands) add(input);
    for (size_t i = 0; i < c.outputs; ++i) node_.out.push_back(static_cast<ValueId>(1000 + i));
    Infer infer_frame(node_, List<Type>(types_).first(c.in.size()), List<const Tensor*>(values_).first(c.in.size()));
    infer(infer_frame);
    for (const auto& out : infer_frame.out) out_types_.push_back(out.type);
    // An epilogue may end in another type.
    if (c.out_type != DType::undefined) out_types_[0].dtype = c.out_type;
    node_.epilogue = c.epilogue;
    for (Fused& fused : node_.epilogue)
      if (fused.operand >= 0) fused.operand = static_cast<int16_t>(fused.operand + own);
  }

  /// The kernels that only this precision has, at every level.
  void run_all(Precision precision) {
    const Level best = cpu::best_level();
    for (const Level level : cpu::all_levels) {
      if (level > best || (precision != Precision::fp32 && level < Level::avx512bf16)) continue;
      cpu::pin_level(level);
      const auto backend = cpu::make_backend(precision);
      std::vector<Offer> offers;
      backend->offers(problem(), offers);
      const auto is_other = [&](const Offer& offer) {
        return !offer.kernel || static_cast<const cpu::CpuKernel*>(offer.kernel)->precision != precision;
      };
      const Offer reference = offers.back();
      offers.erase(std::remove_if(offers.begin(), offers.end(), is_other), offers.end());
      const int least = precision == Precision::fp32 ? case_.least : case_.least_rounded;
      EXPECT_GE(static_cast<int>(offers.size()), least) << title(level, "");
      if (offers.empty()) continue;
      const auto expected = run(*backend, reference, 1, Layout::row_major);
      for (const Offer& offer : offers) compare(*backend, offer, level, expected);
    }
    cpu::pin_level(best);
  }

 private:
  using Memories = std::vector<std::unique_ptr<Memory>>;

  void add(const Input& input) {
    node_.in.push_back(input.tensor.type.dtype == DType::undefined ? absent : static_cast<ValueId>(inputs_.size()));
    inputs_.push_back(input);
    types_.push_back(input.tensor.type);
    values_.push_back(input.tensor.type.dtype == DType::undefined ? nullptr : &input.tensor);
    constants_.push_back(input.constant ? &input.tensor : nullptr);
  }

  Problem problem() const { return {node_, types_, out_types_, constants_}; }

  std::string title(Level level, Text kernel) const {
    std::string text = cat(case_.op, " ", kernel, " at ", name_of(level), ":");
    for (const Type& type : types_) text += cat(" ", type);
    return text;
  }

  // Element (in)-aligned inputs in the offer's layout, outputs full of NaN.
  Memories run(const HostBackend& backend, const Offer& offer, int threads, Layout) const {
    Memories in, out;
    std::vector<View> in_views, out_views;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (node_.in[i] == absent) {
        in_views.push_back({});
        continue;
      }
      const bool may_block = types_[i].shape.size() == 4 && !constants_[i];
      const Layout wanted = i < node_.op_inputs() ? offer.in : offer.out;
      in.push_back(place(inputs_[i].tensor, may_block ? wanted : Layout::row_major));
      in_views.push_back(in.back()->view());
    }
    for (Type type : out_types_) {
      if (type.shape.size() == 4) type.layout = offer.out;
      out.push_back(std::make_unique<Memory>(type, 0xff));
      out_views.push_back(out.back()->view());
    }
    const auto packed = backend.pack(offer, problem());
    Threads pool(threads);
    const Guarded scratch(backend.scratch_bytes(offer, problem(), threads)), kept(backend.kept_bytes(offer, problem()));
    Args args(node_, in_views, out_views);
    args.packed = packed.get();
    args.scratch = scratch.data();
    args.kept = kept.data();
    backend.run(offer, args, pool);
    EXPECT_TRUE(scratch.intact() && kept.intact()) << offer.name << " wrote behind its scratch";
    return out;
  }

  void compare(const HostBackend& backend, const Offer& offer, Level level, const Memories& expected) const {
    const std::string name = title(level, offer.name);
    const Memories one = run(backend, offer, 1, offer.out), three = run(backend, offer, 3, offer.out);
    for (size_t i = 0; i < one.size(); ++i) {
      EXPECT_TRUE(one[i]->intact()) << name << " writes behind its output";
      EXPECT_TRUE(one[i]->bytes() == three[i]->bytes()) << name << " depends on the number of threads";
      Tensor plain = Tensor::make(out_types_[i]);
      const View& got = one[i]->view();
      if (got.type.layout == Layout::row_major) {
        if (got.type.bytes()) std::memcpy(plain.bytes.get(), got.data, static_cast<size_t>(got.type.bytes()));
      } else {
        std::vector<bool> seen(static_cast<size_t>(got.type.stored_elements()));
        const int64_t size = bits_of(got.type.dtype) / 8;
        for_blocked(got.shape(), [&](int64_t r, int64_t b) {
          std::memcpy(plain.bytes.get() + r * size, got.data + b * size, static_cast<size_t>(size));
          seen[static_cast<size_t>(b)] = true;
        });
        for (size_t b = 0; b < seen.size(); ++b) {
          if (seen[b]) continue;
          for (int64_t i = 0; i < size; ++i)
            ASSERT_EQ(got.data[static_cast<int64_t>(b) * size + i], std::byte{0}) << name << " padding at " << b;
        }
      }
      EXPECT_TRUE(close(plain.view(), expected[i]->view(), case_.relative, case_.absolute)) << name;
    }
  }

  const Case& case_;
  Node node_;
  std::vector<Input> inputs_;
  std::vector<Type> types_, out_types_;
  std::vector<const Tensor*> values_, constants_;
};

/// The case with numbers that bfloat16 holds, whose products are exact.
inline Case rounded(Case c) {
  for (Input& input : c.in) {
    if (input.tensor.type.dtype != DType::float32) continue;
    Tensor tensor = Tensor::make(input.tensor.type);
    for (int64_t i = 0; i < tensor.type.shape.elements(); ++i)
      tensor.as<float>()[i] = bfloat16(input.tensor.as<float>()[i]);
    input.tensor = tensor;
  }
  return c;
}

inline void check(const Case& c) {
  Bench(c).run_all(Precision::fp32);
  if (cpu::best_level() < Level::avx512bf16) return;
  const Case exact = rounded(c);
  Bench(exact).run_all(Precision::bf16);
  Case split = c;
  split.absolute = std::max(c.absolute, 1e-3);
  Bench(split).run_all(Precision::bf16x3);
}

inline unsigned seed = 1;
inline Input random(const Shape& shape, double low = -2, double high = 2, DType dtype = DType::float32) {
  return {random_tensor(dtype, shape, seed++, low, high)};
}
inline Input fixed(Input input) {
  input.constant = true;
  return input;
}
inline Input integers(std::initializer_list<int64_t> values) {
  return {Tensor::of(List<int64_t>(values.begin(), values.size())), true};
}
inline Input number(float value) { return {floats({}, {static_cast<double>(value)}), true}; }
inline std::pair<std::string, Attr> attr(const char* name, Attr value) { return {name, std::move(value)}; }
inline std::vector<int64_t> list(std::initializer_list<int64_t> values) { return values; }

inline const Shape pictures[] = {{1, 16, 5, 7},  {2, 3, 4, 5}, {1, 20, 1, 1},
                                 {1, 33, 3, 40}, {1, 1, 8, 8}, {0, 4, 3, 3}};

}  // namespace tessera::test
