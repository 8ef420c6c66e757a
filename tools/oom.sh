#!/bin/sh
# oom.sh - runs what makes allocations fail, in C and under each Lua
#
# usage: [QUICK=n] tools/oom.sh BUILD LUA...
#
# QUICK: so many allocations of each case, not all. What fails is shown. The
# last line is "N passed, N failed".
set -u
build=$1
shift

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# Runs a program; its last line has its counts.
check()
{
  "$@" >"$work/log" 2>&1
  status=$?
  line=$(tail -n 1 "$work/log")
  case $line in
  *" passed, "*" failed") ;;
  *) line="0 passed, 1 failed" ;;
  esac
  echo "$line" >>"$work/counts"
  printf '%-24s %s\n' "$1" "$line"
  sed -n 's/^\(Lua .*\)/  \1/p' "$work/log"
  [ "$status" -eq 0 ] || tail -n 100 "$work/log"
}

check "$build/spec/oom_test"
for lua; do
  check "$build/$lua/oom" ${QUICK:+-s "$QUICK"}
done
awk '{ passed += $1; failed += $3 }
  END { printf "\n%d passed, %d failed\n", passed, failed
    exit failed > 0 || passed == 0 }' "$work/counts"
