#pragma once
#include "shaders/params/finish8.h"

struct Normalize8Params {
  Finish8Params finish;
  float epsilon;
};
