#!/usr/bin/env bash
# Installs ngtcp2 >= 1.11 with its helper for GnuTLS, which QUIC needs: on Debian 12 from its backports, on Debian 13
# and later as it is. Where a system has none that is new enough, it says so, and anteroom is built without QUIC.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
packages=(libngtcp2-dev libngtcp2-crypto-gnutls-dev)
install=(apt-get install -y --no-install-recommends)
# shellcheck source=conf/setup/debian-archive.sh
. "$here/debian-archive.sh"

is_there() { pkg-config --atleast-version=1.11 libngtcp2 libngtcp2_crypto_gnutls 2>/dev/null; }

go_without() {
  echo "install-ngtcp2: $*; anteroom is built without QUIC" >&2
  exit 0
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

from_backports() {
  local state=$here/../../build/deps/backports
  write_apt_config "$state" deb bookworm-backports || go_without "the backports of Debian 12 cannot be used"
  state=$(cd "$state" && pwd)
  as_root env APT_CONFIG="$state/apt.conf" apt-get update -qq || go_without "the backports of Debian 12 cannot be read"
  as_root env APT_CONFIG="$state/apt.conf" "${install[@]}" -t bookworm-backports "${packages[@]}" ||
    go_without "the packages of backports cannot be installed"
  as_root rm -rf "$state"
}

is_there && exit 0
[[ $(id -u) == 0 ]] || command -v sudo >/dev/null || go_without "${packages[*]} are missing (>= 1.11), and there is neither root nor sudo"
echo "install-ngtcp2: installing ${packages[*]}"
if grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release; then
  from_backports
else
  # Lists may be missing or old; a candidate is looked for in those there are if they cannot be read anew.
  as_root apt-get update -qq || true
  candidate=$(apt-cache policy libngtcp2-dev | awk '$1 == "Candidate:" { print $2 }')
  dpkg --compare-versions "${candidate:-0}" ge 1.11 || go_without "this system has no ngtcp2 >= 1.11"
  as_root "${install[@]}" "${packages[@]}" || go_without "the packages cannot be installed"
fi
is_there || go_without "ngtcp2 >= 1.11 was installed, but pkg-config does not find it"
