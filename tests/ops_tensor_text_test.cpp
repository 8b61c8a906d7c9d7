// Operators on strings.
#include "ops/regex.h"
#include "tests/ops_tensor.h"

namespace tessera::test {
namespace {

using Words = std::vector<std::string>;

TEST(OpsText, JoinsAndSplits) {
  EXPECT_EQ(words(run_op({"StringConcat", 20, {strings({2}, {"a", "b"}), strings({1}, {".c"})}})[0]),
            (Words{"a.c", "b.c"}));
  const auto spaces = run_op({"StringSplit", 20, {strings({2}, {" a  b ", "c"})}, {}, 2});
  EXPECT_EQ(words(spaces[0]), (Words{"a", "b", "c", ""}));
  EXPECT_EQ(elements(spaces[1]), (std::vector<double>{2, 1}));
  const auto commas = run_op(
      {"StringSplit", 20, {strings({1}, {"a,,b,c"})}, {{"delimiter", std::string(",")}, {"maxsplit", int64_t{2}}}, 2});
  EXPECT_EQ(words(commas[0]), (Words{"a", "", "b,c"}));
}

TEST(OpsText, Normalizes) {
  const Tensor days = strings({3}, {"Monday", "tuesday", "\xC3\x89t\xC3\xA9"});
  EXPECT_EQ(words(run_op({"StringNormalizer",
                          10,
                          {days},
                          {{"case_change_action", std::string("UPPER")}, {"stopwords", Words{"monday"}}}})[0]),
            (Words{"TUESDAY", "\xC3\x89T\xC3\x89"}));
  EXPECT_EQ(
      words(
          run_op(
              {"StringNormalizer", 10, {days}, {{"is_case_sensitive", int64_t{1}}, {"stopwords", Words{"monday"}}}})[0])
          .size(),
      3u);
}

TEST(OpsText, CountsGrams) {
  const Attrs attrs{{"min_gram_length", int64_t{2}},
                    {"max_gram_length", int64_t{2}},
                    {"max_skip_count", int64_t{1}},
                    {"mode", std::string("TF")},
                    {"ngram_counts", std::vector<int64_t>{0, 2}},
                    {"ngram_indexes", std::vector<int64_t>{0, 1, 2, 3}},
                    {"pool_int64s", std::vector<int64_t>{8, 9, 1, 2, 1, 3}}};
  // Of the pool, 8 and 9 alone are not asked for; 1 2 comes once, 1 3 with one number skipped.
  EXPECT_EQ(elements(run_op({"TfIdfVectorizer", 9, {ints({3}, {1, 2, 3})}, attrs})[0]),
            (std::vector<double>{0, 0, 1, 1}));
}

TEST(OpsText, RegexMatchesWholeStrings) {
  const auto matches = [](Text pattern, Text text) { return ops::Regex(pattern).matches(text); };
  EXPECT_TRUE(matches("a|bc|d", "bc"));
  EXPECT_FALSE(matches("a|bc|d", "bcd"));
  EXPECT_TRUE(matches("(ab)*c{2,3}", "ababccc"));
  EXPECT_FALSE(matches("(ab)*c{2,3}", "abcccc"));
  EXPECT_TRUE(matches("[^a-c\\d]+", "xyz"));
  EXPECT_FALSE(matches("[^a-c\\d]+", "x1"));
  EXPECT_TRUE(matches("(?i)hello \\w+", "HeLLo World"));
  EXPECT_TRUE(matches("(?:x?){20}x{20}", "xxxxxxxxxxxxxxxxxxxx"));
  EXPECT_TRUE(matches(".", "\xC3\xA9"));
  EXPECT_TRUE(matches("[[:alpha:]_]+@[\\w.]+\\.com", "some_one@mail.com"));
  EXPECT_TRUE(matches("\\bword\\b", "word"));
  EXPECT_TRUE(matches("x{,2}", "x{,2}"));
  EXPECT_TRUE(matches("(a*)*", std::string(1000, 'a')));
  for (const Text bad : {"(", ")", "[a", "*", "a{2,1}", "\\q", "(((a{1000}){1000}){1000}"})
    EXPECT_THROW(ops::Regex{bad}, Error);
}

}  // namespace
}  // namespace tessera::test
