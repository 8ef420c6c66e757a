#!/bin/sh
# coverage.sh - what the tests reach of the core, drivers and calls by number
#
# usage: tools/coverage.sh BUILD LINES BRANCHES
#
# BUILD was compiled with --coverage, and its tests have run. Prints a row per
# file, and the totals; leaves BUILD/coverage.info and BUILD/coverage.missed,
# the lines that were not reached. Fails below LINES or BRANCHES per cent.
set -u
build=$1
min_lines=$2
min_branches=$3

{
  lcov -q --rc lcov_branch_coverage=1 -c -d "$build" -o "$build/all.info" &&
    lcov -q --rc lcov_branch_coverage=1 -e "$build/all.info" \
      "$PWD/src/core/*" "$PWD/src/driver/*" "$PWD/src/linux/*" \
      -o "$build/coverage.info"
} 2>"$build/lcov.log" || { cat "$build/lcov.log"; exit 1; }

awk -F'[:,]' -v here="$PWD/" '
  /^SF:/ { file = substr($0, 4); sub(here, "", file) }
  /^DA:/ && $3 == 0 { print file ":" $2 }' "$build/coverage.info" |
while IFS=: read -r file line; do
  printf '%s:%s:%s\n' "$file" "$line" "$(sed -n "${line}p" "$file")"
done >"$build/coverage.missed"

awk -F'[:,]' -v here="$PWD/" -v lines="$min_lines" \
  -v branches="$min_branches" '
  function percent(n, of) { return of > 0 ? 100 * n / of : 100 }
  /^SF:/ { file = substr($0, 4); sub(here, "", file); lf = lh = bf = bh = 0 }
  /^LF:/ { lf = $2 } /^LH:/ { lh = $2 }
  /^BRF:/ { bf = $2 } /^BRH:/ { bh = $2 }
  /^end_of_record/ {
    printf "%-32s %5d lines %5.1f %%  %5d branches %5.1f %%\n",
      file, lf, percent(lh, lf), bf, percent(bh, bf)
    LF += lf; LH += lh; BF += bf; BH += bh
  }
  END {
    printf "%-32s %5d lines %5.1f %%  %5d branches %5.1f %%\n",
      "total", LF, percent(LH, LF), BF, percent(BH, BF)
    if (percent(LH, LF) < lines || percent(BH, BF) < branches) {
      printf "less than %s %% of lines or %s %% of branches\n", lines, branches
      exit 1
    }
  }' "$build/coverage.info"
status=$?
echo "not reached: $(wc -l <"$build/coverage.missed") lines," \
  "in $build/coverage.missed"
exit "$status"
