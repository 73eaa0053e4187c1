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
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
  echo "build-hiredis: $*" >&2
  exit 1
}

is_built() { PKG_CONFIG_PATH=$deps/lib/pkgconfig pkg-config --atleast-version=1.1 hiredis; }

# REPO_URI serves both sources.list and *.sources files, and needs no downloaded package lists.
archive_uri() {
  # shellcheck disable=SC2016  # apt fills these in, not the shell
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v own="$1" '$1 == own && $2 == "main" && !seen { seen = 1; print $3 }'
}

write_apt_config() { # state folder
  mkdir -p "$1"/{lists/partial,cache/archives/partial}
  cat >"$1/apt.conf" <<CONF
Dir::State "$1";
Dir::State::lists "$1/lists";
Dir::Cache "$1/cache";
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Retries "3";
Acquire::AllowInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
// The build folder may be closed to apt's own user; what it fetches is verified all the same.
APT::Sandbox::User "root";
CONF
}

fetch_source() { # work folder; leaves the source in <work folder>/hiredis
  local uri own
  # shellcheck source=/dev/null
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  uri=$(archive_uri "$own")
  [[ -n $uri ]] || die "apt knows no archive for $own/main"
  [[ -r $keyring ]] || die "$keyring is missing (package debian-archive-keyring)"

  write_apt_config "$1/apt"
  echo "deb-src [signed-by=$keyring] $uri $suite main" >"$1/apt/sources.list"
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
