#!/bin/sh
# fuzz.sh - runs fuzzers, from the corpus in spec/fuzz
#
# usage: tools/fuzz.sh FOLDER SECONDS NAME...
#        tools/fuzz.sh FOLDER fixed NAME=RUNS...
#
# For some seconds each, at random: new inputs that reach new code are kept in
# FOLDER/NAME.corpus, and are where the next time begins. Fixed: the same RUNS
# inputs each time, as long as the program is the same; the first are those of
# the corpus. What makes a fuzzer fail is FOLDER/NAME-crash-..., and its report
# is shown. The last line is "N passed, N failed".
set -u
folder=$1
how=$2
shift 2

# What is done with $name, $runs times if that is not empty.
fuzz()
{
  set -- -max_len=1601 -len_control=0 -timeout=20 -rss_limit_mb=4096 \
    -detect_leaks=0 -print_final_stats=1 -artifact_prefix="$folder/$name-"
  if [ -z "$runs" ]; then
    mkdir -p "$folder/$name.corpus"
    [ "$how" != 0 ] || set -- "$@" -runs=0
    "$folder/$name" "$@" -max_total_time="$how" "$folder/$name.corpus" \
      "spec/fuzz/$name.corpus"
    return
  fi
  # In the order of their names, which the file system need not know; and with
  # the addresses always the same, if the machine lets us.
  printf '%s\n' "spec/fuzz/$name.corpus"/* | LC_ALL=C sort | paste -s -d , - \
    >"$folder/$name.inputs"
  set -- "$folder/$name" "$@" -runs="$runs" -seed=1 \
    -seed_inputs=@"$folder/$name.inputs"
  if setarch -R true 2>/dev/null; then
    setarch -R "$@"
  else
    "$@"
  fi
}

passed=0
failed=0
for name; do
  runs=
  case $how in
  fixed)
    runs=${name#*=}
    name=${name%=*}
    printf '%-12s %s runs ... ' "$name" "$runs"
    ;;
  *) printf '%-12s %s s ... ' "$name" "$how" ;;
  esac
  log=$folder/$name.log
  start=$(date +%s)
  if fuzz >"$log" 2>&1; then
    passed=$((passed + 1))
    awk -v seconds=$(($(date +%s) - start)) '
      /^stat::number_of_executed_units/ { runs = $2 }
      / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
      END { printf "%d runs, %d s, %d places covered\n", runs, seconds, cov }
    ' "$log"
  else
    failed=$((failed + 1))
    echo "FAILED"
    tail -n 60 "$log"
  fi
done
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
