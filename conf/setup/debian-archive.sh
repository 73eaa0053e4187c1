# For scripts to source: packages of another suite of Debian, from the archive that this machine already uses for its
# own, verified by the distribution's keyring. apt's state for it is in a folder of the caller's, so the machine's
# package lists and sources stay as they are.
# shellcheck shell=bash

# REPO_URI serves both sources.list and *.sources files, and needs no downloaded package lists.
archive_uri() {
  # shellcheck disable=SC2016  # apt fills these in, not the shell
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v own="$1" '$1 == own && $2 == "main" && !seen { seen = 1; print $3 }'
}

write_apt_config() { # state folder, deb|deb-src, suite; then use apt with APT_CONFIG=<state folder>/apt.conf
  local own uri keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  # shellcheck source=/dev/null
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  uri=$(archive_uri "$own")
  [[ -n $uri ]] || { echo "apt knows no archive for $own/main" >&2; return 1; }
  [[ -r $keyring ]] || { echo "$keyring is missing (package debian-archive-keyring)" >&2; return 1; }
  mkdir -p "$1"/{lists/partial,cache/archives/partial}
  cat >"$1/apt.conf" <<CONF
Dir::State "$1";
Dir::State::lists "$1/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$1/cache";
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "/dev/null";
Acquire::Retries "3";
Acquire::AllowInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
// The build folder may be closed to apt's own user; what it fetches is verified all the same.
APT::Sandbox::User "root";
CONF
  echo "$2 [signed-by=$keyring] $uri $3 main" >"$1/sources.list"
}
