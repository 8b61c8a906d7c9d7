#!/usr/bin/env bash
# run.sh FOLDER NAME SECONDS: the fuzzer FOLDER/NAME_fuzz for so long, again and again where it ends with a finding.
# Prints one line with what it did; status 1 if there were findings.
set -euo pipefail
folder=$(realpath "$1") name=$2 end=$((SECONDS + $3))  # fuzzers have folders of their own to work in
home=$(dirname "$folder") found=0 executions=0
corpus=$home/corpus/$name findings=$home/findings log=$home/$name.log
mkdir -p "$corpus" "$findings"
"$folder/${name}_replay" --seeds "$corpus"
: >"$log"
export ASAN_OPTIONS=allocator_may_return_null=1:detect_leaks=1:handle_abort=1 UBSAN_OPTIONS=print_stacktrace=1
# Pages of a machine's drivers and of libraries that are loaded once are no leaks of ours.
export LSAN_OPTIONS=suppressions=$(dirname "$0")/leaks.txt:print_suppressions=0
while ((SECONDS < end)); do
  part=$home/$name.part
  if ! "$folder/${name}_fuzz" -max_total_time=$((end - SECONDS)) -timeout=60 -report_slow_units=60 \
    -rss_limit_mb=4096 -malloc_limit_mb=1024 -max_len=4096 -print_final_stats=1 -artifact_prefix="$findings/$name-" "$corpus" >"$part" 2>&1; then
    ((++found))
    grep -E 'FINDING|ERROR: |runtime error|SUMMARY' "$part" | head -3 >&2 || true
    file=$(sed -n 's/.*Test unit written to //p' "$part" | tail -1)
    [[ -n $file ]] && echo "  again: $folder/${name}_replay $file" >&2
  fi
  cat "$part" >>"$log"
  tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$part" | tail -1)
  executions=$((executions + ${tried:-0}))
  # One that ends at once would be begun for ever.
  [[ -n $tried ]] || { tail -5 "$part" >&2; break; }
done
echo "$name: $executions executions in $(($3 / 60)) minutes, $found findings"
((found == 0))
