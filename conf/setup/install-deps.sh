#!/usr/bin/env bash
# Installs what anteroom needs, by package name, on Debian 12, Debian 13 and Ubuntu 24.04.
#
#   install-deps.sh          what the build and `make run` need
#   install-deps.sh test     that, and the client libraries that the tests run
#   install-deps.sh tools    that, and what check, asan, tsan and fuzz need
#   install-deps.sh bench    what the build needs, and the servers that `make bench` compares with
#
# Only what is missing is installed; with nothing missing it asks no network. It works as root or by sudo; without
# either it prints the command for an administrator and stops with status 1.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
install_flags=(-y --no-install-recommends --no-upgrade)

# `a|b` means: either will do, a is preferred.
build_packages=(
  g++ make pkg-config python3
  libevent-dev libgnutls28-dev libspdlog-dev nlohmann-json3-dev robin-map-dev
  libgtest-dev libgmock-dev libbenchmark-dev librapidcheck-dev liblzma-dev
  'redis-server|valkey-server' 'redis-tools|valkey-tools'
)
# The clients of test/clients; npm brings those of Node.js. Only the distribution's own Python and Ruby see its packages.
# And ip(8), for networks of the tests' own.
test_packages=(python3-redis ruby ruby-redis iproute2)
tool_packages=(
  clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev
  codespell shellcheck universal-ctags valgrind 'docker-compose|docker-compose-v2'
)
# What a release does not have of these is left out, and so is its row of the table.
bench_packages=(memcached nutcracker haproxy)
# For the hiredis of Debian 12, which is built from its newer suite's source.
source_packages=(dpkg-dev debian-archive-keyring)

hiredis_is_new_enough() {
  PKG_CONFIG_PATH=$here/../../build/deps/lib/pkgconfig pkg-config --atleast-version=1.1 hiredis 2>/dev/null
}

release_is() { grep -qx "VERSION_CODENAME=$1" /etc/os-release; }

# Prints those of the arguments of which no alternative is installed.
missing_of() {
  local names installed entry
  IFS='|' read -ra names <<<"$(IFS='|'; echo "$*")"
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${names[@]}" 2>/dev/null | sort -u || true)
  for entry; do
    IFS='|' read -ra names <<<"$entry"
    grep -qxF "$(printf 'installed %s\n' "${names[@]}")" <<<"$installed" || echo "$entry"
  done
}

is_left_out() { # entry
  [[ " ${bench_packages[*]} " == *" $1 "* && -z $(apt-cache madison "$1" 2>/dev/null) ]] &&
    echo "install-deps: this release has no package $1, so it is left out"
}

first_available() { # a|b|...
  local names name
  IFS='|' read -ra names <<<"$1"
  for name in "${names[@]}"; do
    if [[ -n $(apt-cache madison "$name" 2>/dev/null) ]]; then
      echo "$name"
      return
    fi
  done
  echo "${names[0]}"
}

explain_and_stop() { # reason, entries...
  local entry chosen=()
  for entry in "${@:2}"; do chosen+=("$(first_available "$entry")"); done
  echo "install-deps: $1; what is missing is installed by:" >&2
  echo "  apt-get update && apt-get install ${install_flags[*]} ${chosen[*]}" >&2
  exit 1
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

# Debian starts a service when its package arrives. We use the server's program, not the service, so starting is
# refused while we install, unless the machine has a policy of its own. What runs already is not touched.
policy=/usr/sbin/policy-rc.d
forbid_service_start() {
  [[ -e $policy ]] && return
  trap 'as_root rm -f "$policy"' EXIT
  # shellcheck disable=SC2016  # for the policy's shell, not this one
  printf '#!/bin/sh\ncase $1 in redis* | valkey* | memcached* | nutcracker* | haproxy*) exit 101 ;; esac\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}

install_missing() {
  local entry chosen=()
  if [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
    explain_and_stop "neither root nor sudo is at hand" "$@"
  fi
  echo "install-deps: installing ${*%%|*}"
  as_root apt-get update -q || explain_and_stop "apt-get update failed" "$@"
  for entry; do is_left_out "$entry" || chosen+=("$(first_available "$entry")"); done
  if ! ((${#chosen[@]})); then return; fi
  forbid_service_start
  as_root apt-get install "${install_flags[@]}" "${chosen[@]}" || explain_and_stop "apt-get install failed" "$@"
}

main() {
  local level=${1:-build} wanted=("${build_packages[@]}") missing
  case "$level" in
    build) ;;
    test) wanted+=("${test_packages[@]}") ;;
    tools) wanted+=("${test_packages[@]}" "${tool_packages[@]}") ;;
    bench) wanted+=("${bench_packages[@]}") ;;
    *) echo "usage: install-deps.sh [build|test|tools|bench]" >&2; exit 2 ;;
  esac
  # Node.js may be there from elsewhere, and then the distribution's npm would not fit it.
  if [[ $level == test || $level == tools ]] && ! { command -v node && command -v npm; } >/dev/null; then wanted+=(nodejs npm); fi
  if ! hiredis_is_new_enough; then
    if release_is bookworm; then wanted+=("${source_packages[@]}"); else wanted+=(libhiredis-dev); fi
  fi
  # ngtcp2 comes from the backports of Debian 12, and is verified by this.
  if release_is bookworm; then wanted+=(debian-archive-keyring); fi

  mapfile -t missing < <(missing_of "${wanted[@]}")
  if ((${#missing[@]})); then install_missing "${missing[@]}"; fi
  "$here/install-ngtcp2.sh"
  if [[ $level == test || $level == tools ]]; then "$here/install-clients.sh"; fi
  hiredis_is_new_enough && return
  if release_is bookworm; then
    "$here/build-hiredis.sh"
  else
    echo "install-deps: hiredis >= 1.1 is needed and this system's is older" >&2
    exit 1
  fi
}

main "$@"
