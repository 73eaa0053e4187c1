#!/usr/bin/env bash
# Builds hiredis from the Debian 13 source package into build/deps, for machines whose own
# hiredis is older than 1.1 (Debian 12 has 0.14, which knows no RESP3).
#
# The archive is the one this machine already uses for its own suite, with the suite's name replaced; apt
# verifies the source by the distribution's keyring. Its state lives in a private folder, so neither
# the machine's package lists nor its sources change, and no root is needed.
set -euo pipefail

suite=trixie
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
deps=$root/build/deps
# shellcheck source=conf/setup/debian-archive.sh
. "$root/conf/setup/debian-archive.sh"

die() {
  echo "build-hiredis: $*" >&2
  exit 1
}

is_built() { PKG_CONFIG_PATH=$deps/lib/pkgconfig pkg-config --atleast-version=1.1 hiredis; }

fetch_source() { # work folder; leaves the source in <work folder>/hiredis
  write_apt_config "$1/apt" deb-src "$suite" || die "cannot use the archive of $suite"
  APT_CONFIG=$1/apt/apt.conf apt-get update -qq
  (cd "$1" && APT_CONFIG=$1/apt/apt.conf apt-get source -qq --download-only hiredis)
  # apt has checked the archive's signature and every file's hash; the uploader's own key is not at hand.
  dpkg-source --no-check -x "$1"/hiredis_*.dsc "$1/hiredis"
}

install_into_deps() { # source folder
  local version
  version=$(awk '/#define HIREDIS_(MAJOR|MINOR|PATCH) / { v = v sep $3; sep = "." } END { print v }' "$1/hiredis.h")
  mkdir -p "$deps"/{include/hiredis/adapters,lib/pkgconfig}
  cp "$1"/{alloc,async,hiredis,read,sds}.h "$deps/include/hiredis/"
  cp "$1/adapters/libevent.h" "$deps/include/hiredis/adapters/"
  cp "$1/libhiredis.a" "$deps/lib/"
  # Written last: its presence says that the rest is complete.
  cat >"$deps/lib/pkgconfig/hiredis.pc" <<PC
prefix=\${pcfiledir}/../..
Name: hiredis
Description: Minimalistic C client library for Redis
Version: $version
Libs: -L\${prefix}/lib -lhiredis
Cflags: -I\${prefix}/include -D_FILE_OFFSET_BITS=64
PC
}

mkdir -p "$deps"
exec 9>"$deps/.lock"
flock 9
is_built && exit 0

work=$deps/work
rm -rf "$work"
mkdir -p "$work"
fetch_source "$work" >"$deps/hiredis.log" 2>&1 || { cat "$deps/hiredis.log" >&2; die "cannot fetch the source"; }
env -u MAKEFLAGS -u MFLAGS -u CFLAGS make -C "$work/hiredis" -j2 static >>"$deps/hiredis.log" 2>&1 || { cat "$deps/hiredis.log" >&2; die "cannot build"; }
install_into_deps "$work/hiredis"
rm -rf "$work"
is_built || die "built, but pkg-config does not find it in $deps"
echo "build-hiredis: hiredis $(PKG_CONFIG_PATH=$deps/lib/pkgconfig pkg-config --modversion hiredis) is in build/deps"
