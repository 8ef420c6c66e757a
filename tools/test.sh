#!/bin/sh
# test.sh - runs the C tests and the specs of a build, and adds them up
#
# usage: tools/test.sh BUILD LUA...
#
# As many run at once as there are processors (JOBS=1: one after the other).
# BUSTED has further arguments for busted, PRELOAD a library that the Lua
# interpreter has to load first; UNDER is a command that runs each of them,
# SLOW how many times as long that may take, and EXCEPT a pattern (grep -E) of C
# tests that are left out. What passes takes one line; of what fails,
# the output is shown. The last line is "N passed, N failed".
set -u

# Runs a command; its output goes to the log.
run()
{
  limit=$(($1 * ${SLOW:-1}))
  shift
  timeout -k 10 "$limit" "$@" >"$log" 2>&1
  status=$?
}

# Prints the row of the run that has ended, and keeps its counts: record NAME
# PASSED FAILED SKIPPED. One that fails without counting a failure (a crash, a
# leak) is one failure more.
record()
{
  if [ "$3" -eq 0 ] && { [ "$status" -ne 0 ] || [ $(($2 + $4)) -eq 0 ]; }; then
    set -- "$1" "$2" 1 "$4"
  fi
  echo "$2 $3" >"$work/$item.counts"
  printf '%-28s %s passed, %s failed' "$1" "$2" "$3"
  [ "$4" -eq 0 ] || printf ', %s skipped' "$4"
  [ "$status" -lt 124 ] || printf ' (ended with status %s)' "$status"
  echo
}

c_counts()
{
  sed -nE '$s/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 \4/p' "$log"
}

# busted's report is TAP, with a line "# file @ line: name" before each test.
# What a spec writes to stdout itself may precede an "ok".
spec_counts()
{
  awk '/not ok [0-9]+ - / { failed++; next }
    /ok [0-9]+ - # SKIP/ { skipped++; next }
    /ok [0-9]+ - / { passed++ }
    END { print passed + 0, failed + 0, skipped + 0 }' "$log"
}

# Leaves out what passed. A test that crashed is the last that began.
spec_failures()
{
  awk '/^# .* @ [0-9]+: / { printf "%s", block; block = "" }
    /ok [0-9]+ - / && !/not ok | - # SKIP/ { block = ""; next }
    /^1\.\.[0-9]+$/ { next }
    { block = block $0 "\n" }
    END { printf "%s", block }' "$log"
}

# The work of one of those that run at once: a C test or a Lua.
one()
{
  case $item in
  lua*)
    run 900 env ${PRELOAD:+LD_PRELOAD="$PRELOAD"} SPEC_LUA="$item" \
      ${UNDER:-} "$item" tools/busted.lua --output=TAP ${BUSTED:-}
    record "specs under $item" $(spec_counts)
    [ "$status" -eq 0 ] || spec_failures
    ;;
  *)
    run 120 ${UNDER:-} "$BUILD/spec/$item"
    counts=$(c_counts)
    set -- ${counts:-0 1}
    record "spec/c/$item.c" "$1" "$2" "${3:-0}"
    [ "$status" -eq 0 ] && [ "$1" -gt 0 ] || tail -n 100 "$log"
    ;;
  esac
}

if [ "$1" = --one ]; then
  item=$2
  log=$work/$item.log
  one >"$work/$item.report"
  exec flock "$work" cat "$work/$item.report"
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
export work BUILD="$1"
shift

{
  printf '%s\n' "$@" # the longest first
  for source in spec/c/*.c; do
    basename "$source" .c
  done | grep -Ev "${EXCEPT:-^$}"
} >"$work/items"
xargs -P "${JOBS:-$(nproc)}" -n 1 "$0" --one <"$work/items"

while read -r item; do
  [ -s "$work/$item.counts" ] || echo "0 1" >"$work/$item.counts"
  cat "$work/$item.counts"
done <"$work/items" | awk '{ passed += $1; failed += $2 }
  END { printf "\n%d passed, %d failed\n", passed, failed
    exit failed > 0 || passed == 0 }'
