#!/bin/sh
# counts.sh - runs a command and keeps what its programs count for gcov
#
# usage: tools/counts.sh BUILD COMMAND...
#
# A program adds to the counts beside its objects when it ends, where one that
# gave up root on its way may not write: the tests that compare with Linux do
# so. Here they all count in a directory that is open to everyone, and BUILD
# has the sums afterwards.
set -u
build=$PWD/$1
shift
counts=$(mktemp -d) || exit 1
trap 'rm -rf "$counts"' EXIT

# Copies the files that end in .gcda, and the directories.
copy()
{
  (cd "$1" && find . \( -type d -o -name '*.gcda' \) -print |
    tar -cf - --no-recursion -T -) | tar -xf - -C "$2"
}

mkdir -p "$counts$build" && copy "$build" "$counts$build" &&
  chmod -R a+rwX "$counts" || exit 1
(umask 0 && GCOV_PREFIX=$counts exec "$@")
status=$?
copy "$counts$build" "$build" || exit 1
exit "$status"
