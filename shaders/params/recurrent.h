#pragma once
#include "shaders/params/epilogue.h"

const uint recurrent_lanes = 128;   ///< invocations of a workgroup
const uint recurrent_words = 4096;  ///< of a workgroup's state
const uint lstm = 0, gru = 1, plain_rnn = 2;

struct RecurrentParams {
  EpilogueParams epilogue;
  uint extents[4];  ///< of all states, as the first result has them
  uint steps, batch, hidden;
  uint batch_first, reverse;
  uint linear_first;  ///< of a GRU
  float clip;         ///< 0: none
  float a[3], b[3];   ///< of the functions
};
