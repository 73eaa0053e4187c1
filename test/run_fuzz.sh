#!/usr/bin/env bash
# Runs libFuzzer programs one after another for a number of seconds each. What they discover is kept in
# build/fuzz/corpus, what they print in build/fuzz/logs, and an input that crashes one in build/fuzz/crashes.
#
#   run_fuzz.sh SECONDS PROGRAM...
set -euo pipefail

seconds=$1
shift
failed=0
for program; do
  name=${program##*/fuzz_}
  found=build/fuzz/corpus/$name
  crashes=build/fuzz/crashes/$name
  log=build/fuzz/logs/$name.log
  mkdir -p "$found" "$crashes" "${log%/*}"
  if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$crashes/" "$found" "test/fuzz/corpus/$name" >"$log" 2>&1; then
    state=ok
  else
    state=FAIL
    failed=$((failed + 1))
    tail -n 60 "$log"
  fi
  runs=$(awk '/number_of_executed_units/ { print $2 }' "$log")
  printf '  %-4s  fuzz_%-28s %10s inputs in %s s\n' "$state" "$name" "${runs:-?}" "$seconds"
done
echo "$(($# - failed)) passed, $failed failed"
((failed == 0))
