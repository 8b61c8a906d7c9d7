// Each figure is the best of a few runs, of a size that grows until a run is long enough to be told from its start.
#include "ops/vulkan/measure.h"

#include <algorithm>

#include "ops/vulkan/device/commands.h"
#include "ops/vulkan/kernel.h"

namespace tessera::vulkan {

#include "shaders/params/peak.h"
#include "shaders/params/peak_matrix.h"

namespace {

constexpr double long_enough = 2;  // milliseconds
constexpr int64_t least_bytes = 4 << 20, most_bytes = 512 << 20;

class Meter {
 public:
  explicit Meter(const std::shared_ptr<Device>& device) : device_(*device), params_(*device, 64, Where::device) {
    for (const Shader& shader : all_shaders()) {
      if (shader.name == "peak" && device->runs(shader)) shader_ = &shader;
      if (shader.name == "peak_matrix" && device->runs(shader)) matrix_shader_ = &shader;
    }
    if (!shader_) fail(Error::Kind::device, device->info().name, " does not run the shader peak");
    if (device->limits().tick_ms == 0) fail(Error::Kind::device, device->info().name, " has no time stamps");
  }

  Peaks run() {
    Peaks peaks;
    peaks.fp32_gflops = multiply_adds();
    if (matrix_shader_) peaks.matrix_gflops = products();
    peaks.memory_gbs = grown([&](int64_t bytes) { return copied(bytes); });
    peaks.upload_gbs = grown([&](int64_t bytes) { return crossed(bytes, Where::upload); });
    peaks.download_gbs = grown([&](int64_t bytes) { return crossed(bytes, Where::download); });
    peaks.dispatch_us = empty_dispatches();
    return peaks;
  }

 private:
  // Milliseconds between two stamps around what `record` records; the best of three.
  template <class Record>
  double time(size_t dispatches, const Record& record) const {
    Commands commands(device_, dispatches, 3 * dispatches, 2);
    commands.stamp();
    record(commands);
    commands.barrier();
    commands.stamp();
    commands.finish();
    double best = 0;
    for (int i = 0; i < 4; ++i) {
      commands.run();
      const double ms = commands.times()[0];
      if (i > 0) best = i == 1 ? ms : std::min(best, ms);  // the first warms up
    }
    return best;
  }

  double dispatched(const Buffer& from, const Buffer& to, const PeakParams& params, bool copies, size_t times) {
    device_.upload(params_, 0, &params, sizeof params);
    Dispatch geometry;
    spread(groups_of(params.count, peak_lanes), geometry);
    const std::vector<Slice> slices{{&params_, 0, sizeof params}, {&to, 0, to.bytes}, {&from, 0, from.bytes}};
    return time(times, [&](Commands& commands) {
      for (size_t i = 0; i < times; ++i) {
        if (i) commands.barrier();
        commands.dispatch(*shader_, {{0, copies}}, slices, geometry.groups);
      }
    });
  }

  double multiply_adds() {
    constexpr uint32_t invocations = 1 << 20;
    const Buffer from(device_, invocations * 16, Where::device), to(device_, invocations * 16, Where::device);
    double best = 0;
    for (uint32_t rounds = 4; rounds <= 4096; rounds *= 4) {
      const double ms = dispatched(from, to, {invocations, rounds}, false, 1);
      if (ms <= 0) continue;
      best = std::max(best, static_cast<double>(rounds) * peak_flops * invocations / ms / 1e6);
      if (ms > long_enough) break;
    }
    return best;
  }

  double products() {
    const Facts& facts = device_.facts();
    const auto [m, n, k] = facts.matrix;
    const uint32_t warps = 4, groups = 8 * std::max<uint32_t>(facts.processors, 8);
    const Constants constants{{0, warps * facts.subgroup}, {1, m}, {2, n}, {3, k}};
    const Buffer from(device_, int64_t{2} * (m + peak_products * n) * k, Where::device),
        to(device_, int64_t{4} * groups * warps * peak_products * m * n, Where::device);
    const double each = 2.0 * m * n * k * peak_products * warps * groups;
    double best = 0;
    for (uint32_t rounds = 4; rounds <= 4096; rounds *= 4) {
      const MatrixPeakParams params{rounds};
      device_.upload(params_, 0, &params, sizeof params);
      const std::vector<Slice> slices{{&params_, 0, sizeof params}, {&to, 0, to.bytes}, {&from, 0, from.bytes}};
      const double ms = time(1, [&](Commands& commands) {
        commands.dispatch(*matrix_shader_, constants, slices, {groups, 1, 1});
      });
      if (ms <= 0) continue;
      best = std::max(best, rounds * each / ms / 1e6);
      if (ms > long_enough) break;
    }
    return best;
  }

  // GB/s, of bytes that are read and written.
  std::pair<double, double> copied(int64_t bytes) {
    const Buffer from(device_, bytes, Where::device), to(device_, bytes, Where::device);
    const double ms = dispatched(from, to, {static_cast<uint32_t>(bytes / 16), 0}, true, 1);
    return {ms, ms > 0 ? 2 * static_cast<double>(bytes) / ms / 1e6 : 0};
  }

  std::pair<double, double> crossed(int64_t bytes, Where where) {
    const Buffer host(device_, bytes, where), own(device_, bytes, Where::device);
    const Slice a{&host, 0, bytes}, b{&own, 0, bytes};
    const double ms = time(0, [&](Commands& commands) {
      if (where == Where::upload)
        commands.copy(a, b);
      else
        commands.copy(b, a);
    });
    return {ms, ms > 0 ? static_cast<double>(bytes) / ms / 1e6 : 0};
  }

  template <class Measured>
  double grown(const Measured& measured) const {
    const int64_t most = std::min({most_bytes, device_.limits().storage_range / 16 * 16, device_.limits().allocation});
    double best = 0;
    for (int64_t bytes = least_bytes; bytes <= most; bytes *= 2) {
      const auto [ms, rate] = measured(bytes);
      best = std::max(best, rate);
      if (ms > long_enough) break;
    }
    return best;
  }

  // Microseconds of a dispatch of one workgroup that waits for the one before.
  double empty_dispatches() {
    constexpr size_t count = 64;
    const Buffer from(device_, 4096, Where::device), to(device_, 4096, Where::device);
    return dispatched(from, to, {peak_lanes, 0}, true, count) * 1000 / count;
  }

  Device& device_;
  const Shader *shader_ = nullptr, *matrix_shader_ = nullptr;
  Buffer params_;
};

}  // namespace

Peaks measure_peaks(const std::shared_ptr<Device>& device) { return Meter(device).run(); }

}  // namespace tessera::vulkan
