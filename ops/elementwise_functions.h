// A struct for each function of ops/elementwise.def; `of` is its expression for a number type T. To be included inside
// a namespace, behind the functions that expressions name.
#define TESSERA_UNARY(id, Op, CLASS, expression)                   \
  struct Op##Function {                                            \
    template <class T>                                             \
    static T of(T x, [[maybe_unused]] T a, [[maybe_unused]] T b) { \
      return expression;                                           \
    }                                                              \
  };
#define TESSERA_BINARY(id, Op, CLASS, expression) \
  struct Op##Function {                           \
    template <class T>                            \
    static T of(T x, T y) {                       \
      return expression;                          \
    }                                             \
  };
#include "ops/elementwise.def"
#undef TESSERA_UNARY
#undef TESSERA_BINARY
