#pragma once
#include "shaders/params/pixels.h"

struct FactsParams {
  uint groups;   ///< as many have gathered facts
  uint samples;  ///< of a pixel
};
