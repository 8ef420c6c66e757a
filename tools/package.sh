#!/bin/sh
# package.sh - what a user of LuaRocks does, in a copy of the tree: lint,
# install, run the README's script from elsewhere, run the specs
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/clone" "$work/elsewhere"
tar -c --exclude=./build --exclude=./.git --exclude='*.o' . |
  tar -x -C "$work/clone"

# The first block of Lua in the README.
sed -n '/^```lua$/,/^```$/p' README.md | sed '/^```$/q' | grep -v '^```' \
  >"$work/elsewhere/first.lua"

# Runs a step; its output is shown if it fails.
step()
{
  printf '%-44s ' "$1"
  shift
  if "$@" >"$work/log" 2>&1; then
    echo ok
  else
    echo FAILED
    cat "$work/log"
    exit 1
  fi
}

cd "$work/clone"
step "luarocks lint" luarocks lint rockspec/fdemu-scm-1.rockspec
for version in 5.4 5.3; do
  tree=$work/tree$version
  step "luarocks make, Lua $version" \
    luarocks --lua-version $version --tree "$tree" make
  step "README's script, installed, Lua $version" env -C "$work/elsewhere" \
    LUA_PATH="$tree/share/lua/$version/?.lua;$tree/share/lua/$version/?/init.lua" \
    LUA_CPATH="$tree/lib/lua/$version/?.so" "lua$version" first.lua
done
step "luarocks test, Lua 5.4" luarocks --lua-version 5.4 test
