#!/usr/bin/env bash
# Checks that a compiler does not make: formatting, clang-tidy, names of weak symbols in vector code,
# sizes of files. Needs a release build; ./dev lint calls it.
set -euo pipefail
cd "$(dirname "$0")/.."
failures=0
complain() { printf 'lint: %s\n' "$*" >&2; failures=$((failures + 1)); }

sources() { git ls-files '*.cpp' '*.h' '*.hpp' '*.c'; }

# 1. Formatting.
while read -r file; do
  clang-format --dry-run -Werror "$file" 2>/dev/null || complain "$file is not formatted: ./dev format"
done < <(sources)

# 2. Rooms see only what they may: their CMake targets find no other headers (cmake/rooms.cmake). The upscaler stands
# outside the rooms: it knows the library by its interface, and nothing of the command; its engine nothing of files of
# pictures, and what the command does with files nothing of the subcommands.
arrows() {  # FOLDER PATTERN: no source of the folder includes what matches
  local bad
  bad=$(grep -nE "^#include \"($2)" "$1"/*.cpp "$1"/*.h || true)
  [[ -z $bad ]] || complain "$1 sees what it may not: $bad"
}
arrows upscale 'tools/|tests/|bench/|optimizer/|ops/|upscale/codecs/|runtime/(graph|onnx|plan|session)/'
arrows upscale/codecs 'tools/|tests/|bench/|optimizer/|ops/|runtime/(graph|onnx|plan|session)/'
arrows tools/upscale 'tools/[a-z_]*\.h|tests/|bench/|optimizer/|ops/'

# The command knows the library by its interface, but for what looks into it: at kernels and peaks of devices (bench, devices,
# machine, node_times), at values between steps (check, compare), at graphs (inspect), at files that conformance is tested
# by (conformance, inputs, npy, memory), and whether a driver is worth loading (upscale_models).
bad=$(grep -lE '^#include "(runtime/(graph|onnx|plan|session)|ops|optimizer)/' tools/*.cpp tools/*.h |
  grep -vE '^tools/(check_command|compare_command|inspect_command|conformance|devices|machine|node_times|inputs|npy|memory|upscale_models)\.' || true)
[[ -z $bad ]] || complain "the command looks into the library where its interface would do: $bad"

# Options are not found by name: CLI11 ends the program where memory is short then.
bad=$(grep -nE 'get_option(_no_throw)?\(|(count|got)\("' tools/*.cpp || true)
[[ -z $bad ]] || complain "an option is asked for by its name: $bad"

# Only ops/vulkan/device speaks the language of Vulkan.
bad=$(grep -nE 'vulkan_core|\bV[kK]_?[A-Z]' ops/vulkan/*.cpp ops/vulkan/*.h | grep -v VkKernel || true)
[[ -z $bad ]] || complain "Vulkan's own names outside ops/vulkan/device: $bad"

# Nobody compares an operator's name but the optimizer's patterns: what others want to know is a fact of its OpDef.
for room in runtime/base runtime/graph runtime/onnx runtime/plan runtime/session ops ops/cpu ops/vulkan upscale tools; do
  bad=$(grep -nE 'op->name *[!=]=|[!=]= *[a-z_.>()-]*op->name|Text [a-z]+ = [a-z_.>()-]*op->name|op->name\.(starts|ends)_with' \
    "$room"/*.cpp "$room"/*.h || true)
  [[ -z $bad ]] || complain "$room asks an operator for its name: $bad"
done

# 3. Vector code must not leave weak symbols that baseline code could link.
for level in avx2 avx512 avx512vnni avx512bf16 amx; do
  for object in build/release/ops/cpu/CMakeFiles/tessera_simd_$level.dir/simd/*.o; do
    [[ -e $object ]] || { complain "no objects of level $level: ./dev build first"; break; }
    weak=$(nm -C "$object" | grep -E ' [WVu] ' | grep -v "tessera::cpu::$level" || true)
    [[ -z $weak ]] || complain "$object has weak symbols: $weak"
  done
done

# 4. Sizes. The C interface is one file, as those who include it expect.
while read -r lines file; do
  ((lines <= 650)) || complain "$file has $lines lines: split it"
done < <(sources | grep -vE '^tests/|^include/tessera/tessera\.h$' | xargs wc -l | grep -v ' total$')

# 5. clang-tidy, on what the release build compiles.
if [[ -e build/release/compile_commands.json ]]; then
  sources | grep -E '^(runtime|ops|optimizer|upscale|tools)/.*\.cpp$' | grep -v '/simd/' |
    xargs -P "$(nproc)" -n 4 clang-tidy -p build/release --quiet >build/tidy.log 2>/dev/null || true
  grep -E 'error:' build/tidy.log >&2 && complain "clang-tidy (build/tidy.log)"
else
  complain "no build/release/compile_commands.json: ./dev build first"
fi

((failures == 0)) && echo "lint: clean"
exit $((failures > 0))
