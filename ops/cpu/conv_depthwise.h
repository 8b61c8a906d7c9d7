// Depthwise convolutions of blocked pictures: each block of channels by itself, read where it lies.
#pragma once

#include "ops/cpu/conv_pack.h"
#include "runtime/base/threads.h"

namespace tessera::cpu {

int64_t depthwise_scratch(const CpuKernel& kernel, const Problem& problem, int threads);
void run_depthwise(const CpuKernel& kernel, const Args& args, Threads& threads) noexcept;

}  // namespace tessera::cpu
