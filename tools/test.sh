#!/bin/sh
# test.sh - runs the C tests and the specs of a build, and adds them up
#
# usage: tools/test.sh BUILD LUA...
#
# BUSTED has further arguments for busted, PRELOAD a library that the Lua
# interpreter has to load first. What passes takes one line; of what fails,
# the output is shown. The last line is "N passed, N failed".
set -u
export BUILD="$1"
shift

passed=0
failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

# Runs a command under a name; its output goes to the log.
run()
{
  printf '%-28s ' "$1"
  shift
  timeout -k 10 "$@" >"$log" 2>&1
  status=$?
}

# Adds up the run that has ended: record PASSED FAILED SKIPPED. One that fails
# without counting a failure (a crash, a leak) is one failure more.
record()
{
  if [ "$2" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$1" -eq 0 ]; }; then
    set -- "$1" 1 "$3"
  fi
  passed=$((passed + $1))
  failed=$((failed + $2))
  printf '%s passed, %s failed' "$1" "$2"
  [ "$3" -eq 0 ] || printf ', %s skipped' "$3"
  [ "$status" -lt 124 ] || printf ' (ended with status %s)' "$status"
  echo
}

c_counts()
{
  sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2 0/p' "$log"
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

for source in spec/c/*.c; do
  [ -e "$source" ] || continue
  run "$source" 120 "$BUILD/spec/$(basename "$source" .c)"
  counts=$(c_counts)
  record ${counts:-0 1 0}
  [ "$status" -eq 0 ] && [ -n "$counts" ] || tail -n 100 "$log"
done

for lua; do
  run "specs under $lua" 600 env ${PRELOAD:+LD_PRELOAD="$PRELOAD"} \
    "$lua" tools/busted.lua --output=TAP ${BUSTED:-}
  record $(spec_counts)
  spec_failures
done

echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
