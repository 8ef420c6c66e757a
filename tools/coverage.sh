#!/bin/sh
# coverage.sh - what the tests reach of the core, drivers and calls by number
#
# usage: tools/coverage.sh BUILD LINES BRANCHES
#
# BUILD was compiled with --coverage, and its tests have run. Prints a row per
# file, and the totals; leaves BUILD/coverage.info and BUILD/coverage.missed,
# the lines that were not reached. Fails below LINES or BRANCHES per cent, and
# if spec/coverage.txt does not say of each line that was not reached why.
set -u
list=spec/coverage.txt
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

# The first row of the list that a line of coverage.missed fits, or nothing. Its
# line number does not matter.
row_of()
{
  line=${1#*:*:}
  line="${1%%:*}: ${line#"${line%%[! ]*}"}"
  while IFS= read -r row; do
    [ "$line" = "$row" ] && break
    # shellcheck disable=SC2254 # it is a pattern
    case $line in $row) break ;; esac
  done <"$build/coverage.rows"
  printf '%s' "$row"
}

grep '^src/' "$list" >"$build/coverage.rows"
: >"$build/coverage.used"
while IFS= read -r missed; do
  row=$(row_of "$missed")
  if [ -n "$row" ]; then
    printf '%s\n' "$row" >>"$build/coverage.used"
  else
    printf '%s\n' "$missed"
  fi
done <"$build/coverage.missed" >"$build/coverage.unexplained"

echo "not reached: $(wc -l <"$build/coverage.missed") lines," \
  "in $build/coverage.missed"
grep -vxFf "$build/coverage.used" "$build/coverage.rows" |
  sed "s|^|$list has what was reached: |"
if [ -s "$build/coverage.unexplained" ]; then
  echo "not reached, and not in $list:"
  cat "$build/coverage.unexplained"
  exit 1
fi
exit "$status"
