// What is applied to values before they are stored: numbers of ops/elementwise.def. They are specialization constants, so
// that the driver keeps only what is used.
#include "common/types.glsl"

layout(constant_id = 32) const uint function_0 = no_function;
layout(constant_id = 33) const uint function_1 = no_function;
layout(constant_id = 34) const uint function_2 = no_function;
layout(constant_id = 35) const uint function_3 = no_function;
layout(constant_id = 36) const uint function_4 = no_function;
layout(constant_id = 37) const uint function_5 = no_function;
layout(constant_id = 38) const uint swapped = 0;  // bit i: function i's operand is its first argument
