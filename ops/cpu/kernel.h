// CpuKernel: one way to run one operator on the CPU, and the list of all of them.
#pragma once

#include "runtime/base/threads.h"
#include "runtime/graph/backend.h"

namespace tessera::cpu {

/// A kernel is offered when op, domain and layouts fit and `accepts` says yes. Higher rank wins.
/// A kernel without `accepts_epilogue` is offered only to nodes without an epilogue.
struct CpuKernel {
  Text op, name;
  Text domain = "";
  int rank = 1;
  int rank_by_tiles = 0;                  ///< its rank where AMX is there, if that is another one
  Precision precision = Precision::fp32;  ///< the one that a session must have asked for; fp32: any
  Layout in = Layout::row_major;          ///< of non-constant 4-D inputs
  Layout out = Layout::row_major;         ///< of 4-D outputs
  bool in_place = false;                  ///< output 0 may be the same memory as input 0
  int row_step = 0;                       ///< see Offer::row_step
  /// See Offer::row_reach; negative where the problem does not allow rows alone.
  int (*row_reach)(const Problem&) = nullptr;
  /// Types, shapes and attributes that this kernel takes. Layouts are checked by the registry.
  bool (*accepts)(const Problem&) = nullptr;
  /// Says whether this kernel applies the node's epilogue itself; null: never.
  bool (*accepts_epilogue)(const Problem&) = nullptr;
  /// Constant inputs in the form that `run` wants; cached per session by the identity of the
  /// constants, so it must not depend on the shapes of other inputs.
  std::shared_ptr<const Packed> (*pack)(const Problem&) = nullptr;
  /// Bytes of scratch for one run.
  int64_t (*scratch)(const Problem&, int threads) = nullptr;
  /// Bytes, 64 at a time, that no other kernel writes from a run's first rows to its last.
  int64_t (*kept)(const Problem&) = nullptr;
  /// Allocates nothing. args.in holds the node's inputs, then its epilogue's operands.
  void (*run)(const Args&, Threads&) noexcept = nullptr;
};

/// One file of kernels. CMake collects every `extern const KernelFile` named after a file in
/// ops/cpu/ that ends in _kernels.cpp into one list.
struct KernelFile {
  List<CpuKernel> kernels;
};

/// Whether this machine has kernels of that precision that are worth asking for.
bool gains_from(Precision precision);

/// The CPU as a backend. Offers every kernel whose level this machine has, then the reference.
std::unique_ptr<HostBackend> make_backend(Precision precision = Precision::fp32);

}  // namespace tessera::cpu
