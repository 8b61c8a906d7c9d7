// Operators that a program adds to the library's own.
#include "runtime/graph/operators.h"

#include <gtest/gtest.h>

#include "tests/onnx_pen.h"

namespace tessera {
namespace {

void infer_same(Infer& infer) { infer.set(0, infer.shape(0)); }
void negate(const Args& args) {
  for (int64_t i = 0; i < args.in[0].elements(); ++i) args.out[0].as<float>()[i] = -args.in[0].as<float>()[i];
}

OpDef definition(Text name, Text domain, int since) {
  OpDef op{name, domain, since, {1, 1}, {1, 1}, "float32 -> float32"};
  op.infer = infer_same;
  op.reference = negate;
  return op;
}

std::string refusal(Operators& operators, const OpDef& op) {
  try {
    operators.add(op, nullptr);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Operators, TheNewestVersionThatAModelMayUseIsFound) {
  Operators operators;
  operators.add(definition("Flip", "my.domain", 1), nullptr);
  operators.add(definition("Flip", "my.domain", 3), nullptr);
  ASSERT_TRUE(operators.find("my.domain", "Flip", 2));
  EXPECT_EQ(operators.find("my.domain", "Flip", 2)->since, 1);
  EXPECT_EQ(operators.find("my.domain", "Flip", 7)->since, 3);
  EXPECT_EQ(operators.find("my.domain", "Flip", 0), nullptr);
  EXPECT_EQ(operators.find("other", "Flip", 7), nullptr);
  EXPECT_EQ(operators.find("ai.onnx", "Relu", 14), find_op("", "Relu", 14));
}

TEST(Operators, NamesThatAreTakenAreRefused) {
  Operators operators;
  operators.add(definition("Flip", "my.domain", 1), nullptr);
  EXPECT_EQ(refusal(operators, definition("Flip", "my.domain", 1)),
            "operator my.domain.Flip version 1 was added before");
  EXPECT_EQ(refusal(operators, definition("Relu", "ai.onnx", 1)),
            "operator ai.onnx.Relu is one of tessera's own: choose another name or domain");
  EXPECT_EQ(refusal(operators, definition("Any", "tessera", 1)),
            "operator tessera.Any cannot be added: the domain \"tessera\" is tessera's own");
}

TEST(Operators, AnOwnerLivesAsLongAsTheOperators) {
  auto owner = std::make_shared<int>(0);
  const std::weak_ptr<int> watched = owner;
  {
    Operators operators;
    operators.add(definition("Flip", "my.domain", 1), std::move(owner));
    EXPECT_FALSE(watched.expired());
  }
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace tessera
