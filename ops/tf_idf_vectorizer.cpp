// TfIdfVectorizer: counts n-grams of a known set, gaps allowed, and weighs the counts.
#include <algorithm>
#include <map>

#include "ops/elements.h"
#include "runtime/graph/op.h"
#include "runtime/graph/reach.h"

namespace tessera::ops {
extern const OpFile tf_idf_vectorizer;
namespace {

// The n-grams of the pool by length, each with its number.
template <class T>
struct Pool {
  std::vector<std::map<RunVector<T>, size_t>> by_length;
  size_t count = 0;

  Pool(List<T> items, List<int64_t> starts) : by_length(starts.size() + 1) {
    for (size_t k = 0; k < starts.size(); ++k) {
      const size_t length = k + 1;
      const auto begin = static_cast<size_t>(starts[k]);
      const size_t end = k + 1 < starts.size() ? static_cast<size_t>(starts[k + 1]) : items.size();
      if (starts[k] < 0 || begin > end || end > items.size())
        fail(Error::Kind::model, "ngram_counts do not fit the pool");
      for (size_t i = begin; i + length <= end; i += length)
        by_length[length].emplace(
            RunVector<T>(items.begin() + static_cast<ptrdiff_t>(i), items.begin() + static_cast<ptrdiff_t>(i + length)),
            count++);
    }
  }
};

int64_t width_of(const AttrReader& attrs) {
  int64_t width = 0;
  for (const int64_t index : attrs.integers("ngram_indexes")) {
    if (index < 0 || index >= int64_t{1} << 40) fail(Error::Kind::model, "ngram_indexes has a bad index ", index);
    width = std::max(width, index + 1);
  }
  return width;
}

void infer_vectorizer(Infer& infer) {
  const Shape& shape = infer.shape(0);
  const Text mode = infer.text("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") fail(Error::Kind::model, "mode \"", mode, "\" is not known");
  if (shape.size() != 1 && shape.size() != 2) fail(Error::Kind::shape, "needs [C] or [N,C], got ", shape);
  if (shape.size() == 1) return infer.set(0, {width_of(infer)});
  infer.set(0, {shape[0], width_of(infer)});
}

// Adds the n-grams of one row to `counts`, by their number in the pool.
template <class T>
void count(const AttrReader& attrs, const Pool<T>& pool, const RunVector<T>& row, RunVector<int64_t>& counts) {
  const int64_t shortest = std::max<int64_t>(attrs.integer("min_gram_length"), 1);
  const int64_t longest = std::min(attrs.integer("max_gram_length"), static_cast<int64_t>(pool.by_length.size()) - 1);
  const auto size = static_cast<int64_t>(row.size());
  RunVector<T> gram;
  const int64_t skips = std::clamp<int64_t>(attrs.integer("max_skip_count"), 0, size);
  for (int64_t length = shortest; length <= longest; ++length) {
    const auto& known = pool.by_length[static_cast<size_t>(length)];
    for (int64_t step = 1; step <= (length == 1 ? 1 : skips + 1); ++step)
      for (const int64_t start : Elements(size - (length - 1) * step)) {
        gram.clear();
        for (int64_t k = 0; k < length; ++k) gram.push_back(row[static_cast<size_t>(start + k * step)]);
        if (const auto found = known.find(gram); found != known.end()) ++counts[found->second];
      }
  }
}

template <class T, class Item>
void vectorize(const Args& args, const Pool<T>& pool, const Item& item) {
  const Shape& shape = args.in[0].shape();
  const View& out = args.out[0];
  const int64_t rows = shape.size() == 1 ? 1 : shape[0], columns = shape.back(), width = out.shape().back();
  const auto indexes = args.integers("ngram_indexes");
  const auto weights = args.reals("weights");
  const Text mode = args.text("mode");
  RunVector<int64_t> counts(indexes.size());
  for (const int64_t r : Steps(rows)) {
    RunVector<T> row;
    for (const int64_t c : Elements(columns)) row.push_back(item(r * columns + c));
    std::fill(counts.begin(), counts.end(), 0);
    count(args, pool, row, counts);
    float* to = out.as<float>() + r * width;
    std::fill_n(to, width, 0.0f);
    for (size_t i = 0; i < counts.size(); ++i) {
      const float weight = i < weights.size() ? weights[i] : 1.0f;
      const auto times = static_cast<float>(counts[i]);
      to[indexes[i]] += mode == "TF" ? times : mode == "IDF" ? (counts[i] ? weight : 0) : times * weight;
    }
  }
}

void check_pool(size_t known, size_t indexes) {
  if (known > indexes) fail(Error::Kind::model, "the pool has more n-grams than ngram_indexes");
}

void reference(const Args& args) {
  const View& in = args.in[0];
  const auto starts = args.integers("ngram_counts");
  const size_t indexes = args.integers("ngram_indexes").size();
  if (in.type.dtype == DType::string) {
    const auto texts = args.texts("pool_strings");
    const Pool<Text> pool(RunVector<Text>(texts.begin(), texts.end()), starts);
    check_pool(pool.count, indexes);
    vectorize(args, pool, [&](int64_t i) { return Text(in.as<String>()[i]); });
  } else {
    const Pool<int64_t> pool(args.integers("pool_int64s"), starts);
    check_pool(pool.count, indexes);
    vectorize(args, pool,
              [&](int64_t i) { return in.type.dtype == DType::int32 ? in.as<int32_t>()[i] : in.as<int64_t>()[i]; });
  }
}

constexpr AttrDef attrs[] = {{.name = "max_gram_length", .required = true},
                             {.name = "max_skip_count", .required = true},
                             {.name = "min_gram_length", .required = true},
                             {.name = "mode", .required = true},
                             {.name = "ngram_counts", .required = true},
                             {.name = "ngram_indexes", .required = true},
                             {"pool_int64s"},
                             {"pool_strings"},
                             {"weights"}};
const OpDef defs[] = {{"TfIdfVectorizer",
                       "",
                       9,
                       {1, 1},
                       {1, 1},
                       "T=string|int32|int64 : T -> float32",
                       attrs,
                       infer_vectorizer,
                       reference,
                       reach::not_followed}};

}  // namespace
const OpFile tf_idf_vectorizer{defs};
}  // namespace tessera::ops
