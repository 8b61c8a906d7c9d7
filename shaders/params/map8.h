#pragma once
#include "shaders/params/finish8.h"

struct Map8Params {
  Finish8Params finish;
};
