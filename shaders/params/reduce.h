#pragma once
#include "shaders/params/epilogue.h"

const uint reduce_lanes = 128;  ///< invocations of a workgroup

struct ReduceParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of the result: N, C, H, W
  uint count;       ///< their product
  uint src_strides[4];
  uint joined[4];  ///< extents of what becomes one element
  uint joined_strides[4];
  uint elements;  ///< the product of `joined`
  uint part;      ///< as many of them are joined by one workgroup
  float start;    ///< joins with an element to that element
};
