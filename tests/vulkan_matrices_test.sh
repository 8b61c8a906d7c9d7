#!/usr/bin/env bash
# Shaders for matrix units under a driver that has some. TESSERA_MATRIX_RUN is a command that runs another one under it:
# Mesa's software renderer has them since version 25.2, and runs beside the system's own one.
set -euo pipefail
tests=$TESSERA_BINARY_DIR/bin/tessera_tests
[ -x "$tests" ] || exit 77
if [ -z "${TESSERA_MATRIX_RUN:-}" ]; then
  echo "skipped: TESSERA_MATRIX_RUN names no command that runs another one under a driver with cooperative matrices"
  exit 77
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT
filter='VulkanMatrices.*:VulkanBackend.EveryVariantAnswersItsKnownQuestion'
for list in MatMul Gemm ConvThreeByThree ConvKernelsStridesDilationsPads ConvEpilogues ConvDepthToSpace Attention StridedAttention Normalizations; do
  filter+=":All/VulkanCases.AgreeInHalfPrecision/$list"
done
status=0
$TESSERA_MATRIX_RUN "$tests" --gtest_filter="$filter" | tee "$out" || status=$?
if grep -q '^skipped: the device has no matrix units' "$out"; then
  echo "the driver of TESSERA_MATRIX_RUN has no cooperative matrices"
  exit 1
fi
exit "$status"
