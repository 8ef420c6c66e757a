#!/bin/sh
# need.sh - makes sure that the named Debian packages are there
#
# usage: tools/need.sh PACKAGE...
#
# A package counts as there when what it is wanted for is there, whoever put
# it; apt is not asked unless something is missing. Quiet when all is well.
set -u

has_header()
{
  echo "#include <$1>" | gcc -E ${2:-} - >/dev/null 2>&1
}

has_lua_headers()
{
  pkg-config --exists "$1" 2>/dev/null || has_header lua.h "-I/usr/include/$1"
}

has_module()
{
  "$1" -e "require '$2'" >/dev/null 2>&1
}

has()
{
  case $1 in
  libc6-dev) has_header stdio.h ;;
  liblua*-dev)
    lua=${1#lib}
    has_lua_headers "${lua%-dev}"
    ;;
  lua-busted)
    has_module lua5.4 busted.runner && has_module lua5.3 busted.runner
    ;;
  libclang-rt-*-dev)
    [ -e "$(clang -print-file-name=libclang_rt.fuzzer-x86_64.a 2>/dev/null)" ]
    ;;
  lua-posix) has_module lua5.3 posix.unistd ;;
  lua-ldoc) command -v ldoc >/dev/null ;;
  lua-check) command -v luacheck >/dev/null ;;
  binutils) command -v nm >/dev/null ;;
  *) command -v "$1" >/dev/null ;;
  esac
}

missing=
for package; do
  has "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
install="apt-get install -y --no-install-recommends$missing"

may_install()
{
  command -v apt-get && { [ -z "$sudo" ] || sudo -n true; }
}

if ! may_install >/dev/null 2>&1; then
  cat >&2 <<MESSAGE
These packages are missing:$missing. Run this, then try again:

  sudo apt-get update && sudo $install

MESSAGE
  exit 1
fi

echo "installing$missing"
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# A package list that cannot be fetched matters only if the install fails.
$sudo apt-get update >"$log" 2>&1
if ! $sudo $install >>"$log" 2>&1; then
  cat "$log" >&2
  echo "could not install:$missing" >&2
  exit 1
fi
