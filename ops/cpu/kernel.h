// CpuKernel: one way to run one operator on the CPU, and the list of all of them.
#pragma once

#include "runtime/base/threads.h"
#include "runtime/graph/backend.h"

namespace tessera::cpu {

/// A kernel is offered when op and domain fit and `accepts` says yes. Higher rank wins.
/// A kernel without `accepts_epilogue` is offered only to nodes without an epilogue.
/// Kernels share functions: each is given its kernel, and finds there what sets it apart.
struct CpuKernel {
  Text op, name;
  Text domain = "";
  /// What sets it apart, in words of its own file: the way that it works, and which of the operators that are alike
  /// it is for.
  int form = 0, member = 0;
  int rank = 1;
  int rank_by_tiles = 0;                  ///< its rank where AMX is there, if that is another one
  Precision precision = Precision::fp32;  ///< the one that a session must have asked for; fp32: any
  Layout in = Layout::row_major;          ///< of non-constant 4-D inputs
  Layout out = Layout::row_major;         ///< of 4-D outputs
  bool in_place = false;                  ///< output 0 may be the same memory as input 0
  int row_step = 0;                       ///< see Offer::row_step
  /// See Offer::row_reach; negative where the problem does not allow rows alone.
  int (*row_reach)(const CpuKernel&, const Problem&) = nullptr;
  /// Types, shapes and attributes that this kernel takes; null: all. Layouts are the planner's choice.
  bool (*accepts)(const CpuKernel&, const Problem&) = nullptr;
  /// Says whether this kernel applies the node's epilogue itself; null: never.
  bool (*accepts_epilogue)(const CpuKernel&, const Problem&) = nullptr;
  /// Constant inputs in the form that `run` wants; cached per session by the identity of the
  /// constants, so it must not depend on the shapes of other inputs.
  std::shared_ptr<const Packed> (*pack)(const CpuKernel&, const Problem&) = nullptr;
  /// Bytes of scratch for one run.
  int64_t (*scratch)(const CpuKernel&, const Problem&, int threads) = nullptr;
  /// Bytes, 64 at a time, that no other kernel writes from a run's first rows to its last.
  int64_t (*kept)(const CpuKernel&, const Problem&) = nullptr;
  /// Whether it can compute what these inputs say, where that is known by their numbers only (indices outside of their
  /// axis, for one); else the reference runs, which says what is wrong. Null: always.
  bool (*takes)(const CpuKernel&, const Args&) = nullptr;
  /// Allocates nothing. args.in holds the node's inputs, then its epilogue's operands.
  void (*run)(const CpuKernel&, const Args&, Threads&) noexcept = nullptr;
};

/// One file of kernels. CMake collects every `extern const KernelFile` named after a file in
/// ops/cpu/ that ends in _kernels.cpp into one list.
struct KernelFile {
  List<CpuKernel> kernels;
};

}  // namespace tessera::cpu
