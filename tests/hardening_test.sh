#!/usr/bin/env bash
# What is built is hardened, and its bytes do not tell where they were built.
set -euo pipefail
command -v readelf >/dev/null || { echo "skipped: no readelf"; exit 77; }
[[ ${TESSERA_SANITIZED:-0} == 0 ]] || { echo "skipped: sanitizers have flags of their own"; exit 77; }
failures=0
complain() { echo "$*" >&2; failures=$((failures + 1)); }

for file in "$1" "$TESSERA_BINARY_DIR"/lib/libtessera{,_upscale,_pictures,_ort}.so; do
  [[ -e $file ]] || continue
  segments=$(readelf -lW "$file") dynamic=$(readelf -dW "$file") symbols=$(readelf -sW "$file")
  grep -q 'GNU_RELRO' <<<"$segments" || complain "$file: no relocations that are read-only once loaded"
  grep -qE '\(FLAGS(_1)?\).*NOW' <<<"$dynamic" || complain "$file: functions are bound late"
  grep -qE 'GNU_STACK.* RW ' <<<"$segments" || complain "$file: its stack can be code"
  ! grep -qE ' LOAD .* RWE ' <<<"$segments" || complain "$file: a segment can be written and run"
  ! grep -q '(TEXTREL)' <<<"$dynamic" || complain "$file: its code is changed when it is loaded"
  grep -q '__stack_chk_fail' <<<"$symbols" || complain "$file: stacks are not guarded"
  ! grep -qF "$TESSERA_SOURCE_DIR/runtime" "$file" || complain "$file: tells where it was built"
done
grep -q 'DYN' <<<"$(readelf -hW "$1")" || complain "$1: lies always at the same address"
exit $((failures > 0))
