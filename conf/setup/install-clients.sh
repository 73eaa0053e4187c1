#!/usr/bin/env bash
# Installs the Node.js clients that the tests run into build/deps/clients, exactly as test/clients/package-lock.json
# names them: npm checks every package's hash, and no package runs a script of its own. With them in place it asks no
# network. The lock file names no registry; npm asks the one that this machine is set up for.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source=$root/test/clients
target=$root/build/deps/clients
# A copy of the lock file that is written last: its presence says that the rest is complete.
installed=$target/installed.json

mkdir -p "$target"
exec 9>"$target/.lock"
flock 9
cmp -s "$source/package-lock.json" "$installed" && exit 0

rm -f "$installed"
cp "$source"/package{,-lock}.json "$target/"
if ! (cd "$target" && npm ci --ignore-scripts --no-audit --no-fund >npm.log 2>&1); then
  cat "$target/npm.log" >&2
  echo "install-clients: npm cannot install the clients" >&2
  exit 1
fi
cp "$source/package-lock.json" "$installed"
echo "install-clients: the clients of Node.js are in build/deps/clients"
