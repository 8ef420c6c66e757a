#!/bin/sh
# fuzz.sh - runs fuzzers for some seconds each, from the corpus in spec/fuzz
#
# usage: tools/fuzz.sh FOLDER SECONDS NAME...
#
# New inputs that reach new code are kept in FOLDER/NAME.corpus; what makes a
# fuzzer fail is FOLDER/NAME-crash-..., and its report is shown. The last line
# is "N passed, N failed".
set -u
folder=$1
seconds=$2
shift 2

passed=0
failed=0
for name; do
  mkdir -p "$folder/$name.corpus" "spec/fuzz/$name.corpus"
  log=$folder/$name.log
  printf '%-12s %s s ... ' "$name" "$seconds"
  # No seconds: what is in the corpora, and nothing new.
  only=
  [ "$seconds" != 0 ] || only=-runs=0
  if "$folder/$name" $only -max_total_time="$seconds" -max_len=1601 -len_control=0 \
    -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$folder/$name-" \
    "$folder/$name.corpus" "spec/fuzz/$name.corpus" >"$log" 2>&1
  then
    passed=$((passed + 1))
    awk '/^stat::number_of_executed_units/ { runs = $2 }
      / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
      END { printf "%d runs, %d places covered\n", runs, cov }' "$log"
  else
    failed=$((failed + 1))
    echo "FAILED"
    tail -n 60 "$log"
  fi
done
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
