#!/bin/sh
# guard.sh - instructions that calls take, and may take at most
#
# usage: bench/guard.sh BUILD LUA
#
# Time depends on the machine and on who else uses it; instructions, counted by
# callgrind, hardly do. Each figure is the difference between a long and a
# short run, so that what happens once does not count. The limits are what was
# measured (Debian 12: gcc 12 -O3, Lua 5.4.4) and a tenth more. Who makes a call
# cheaper lowers its limit; who has reason to make it dearer raises it, and
# says why in the commit.
set -u
build=$1
lua=$2
export LUA_PATH="?.lua;lua/?.lua;lua/?/init.lua;;"
export LUA_CPATH="$build/$lua/?.so;;"
status=0

# The instructions of a command.
count()
{
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 |
    sed -n 's/.*Collected : //p'
}

# guard NAME LIMIT SHORT LONG: instructions for one time, of the 1000 that the
# command LONG does more.
guard()
{
  short=$(count $3)
  long=$(count $4)
  if [ -z "$short" ] || [ -z "$long" ]; then
    echo "guard: cannot count: $4" >&2
    exit 1
  fi
  each=$(((long - short) / 1000))
  verdict=ok
  if [ "$each" -gt "$2" ]; then
    verdict="TOO MANY"
    status=1
  fi
  printf '%-34s %7d  at most %7d  %s\n' "$1" "$each" "$2" "$verdict"
}

in_lua()
{
  guard "$1" "$2" "$lua bench/work.lua $3 200" "$lua bench/work.lua $3 1200"
}

in_c()
{
  guard "$1" "$2" "$build/cbench -n 200 $3" "$build/cbench -n 1200 $3"
}

in_lua "Lua: write + read, 1 byte" 2050 pipe
in_lua "Lua: dup + close" 1680 dup
in_lua "Lua: read of a device in Lua" 2890 device
in_lua "Lua: request + answer of two tasks" 7900 tasks
in_c "C: write + read, 1 byte" 845 byte
in_c "C: dup + close" 730 dup
in_c "C: eventfd: write + read" 740 eventfd
in_c "C: poll of two, one ready" 775 two
in_c "C: epoll_wait, one of 1,000 ready" 590 epoll
exit "$status"
