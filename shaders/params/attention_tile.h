#pragma once
#include "shaders/params/attention.h"

const uint tile_lanes = 128;                 ///< invocations of a workgroup
const uint tile_queries = 64;                ///< that a workgroup makes the results of
const uint tile_keys = 32, tile_depth = 16;  ///< that it looks at, at a time
