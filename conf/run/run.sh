#!/usr/bin/env bash
# Runs the front-end that `make` has built, until Ctrl-C.
#
#   run.sh PORT UPSTREAM [ARGUMENT...]     an empty UPSTREAM means: a Redis of our own
#
# Our own Redis (or Valkey) listens on a UNIX socket only, keeps nothing on disk, and ends with this script
# whatever the reason. The exit status is the front-end's.
set -euo pipefail

port=$1 upstream=$2
shift 2
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$root/build/run/$port
server_pid='' front_pid='' short_folder=''

die() {
  echo "run: $*" >&2
  exit 1
}

first_command() {
  local name
  for name; do command -v "$name" && return; done
  return 1
}

# A session of its own keeps the terminal's Ctrl-C for this script, which then stops both in order;
# the death signal covers a script that was killed.
start_detached() { # log file, or - for the terminal; command...
  local log=$1
  shift
  if [[ $log == - ]]; then
    setsid setpriv --pdeathsig TERM "$@" </dev/null 9>&- &
  else
    setsid setpriv --pdeathsig TERM "$@" </dev/null >"$log" 2>&1 9>&- &
  fi
}

stop_server() {
  if [[ -n $server_pid ]]; then
    kill -TERM "$server_pid" 2>/dev/null || true
    wait "$server_pid" 2>/dev/null || true
  fi
  if [[ -n $short_folder ]]; then rm -rf "$short_folder"; fi
}

start_server() {
  local server socket tries
  server=$(first_command redis-server valkey-server) || die "neither redis-server nor valkey-server is installed"
  mkdir -p "$folder"
  exec 9>"$folder/lock"
  flock -n 9 || die "another 'make run' uses $folder"
  socket=$folder/redis.sock
  # A UNIX socket's path has 107 bytes at most.
  if ((${#socket} > 100)); then
    short_folder=$(mktemp -d)
    socket=$short_folder/redis.sock
  fi
  rm -f "$socket"
  start_detached "$folder/redis.log" "$server" --port 0 --unixsocket "$socket" --unixsocketperm 700 --save '' \
    --appendonly no --dir "$folder"
  server_pid=$!
  for ((tries = 0; tries < 100; ++tries)); do
    [[ -S $socket && $("$cli" -s "$socket" ping 2>/dev/null) == PONG ]] && break
    kill -0 "$server_pid" 2>/dev/null || die "$server does not start; see $folder/redis.log"
    sleep 0.1
  done
  upstream=unix://$socket
}

answers() { [[ $("$cli" -p "$port" ping 2>/dev/null) == PONG ]]; }
is_running() { kill -0 "$front_pid" 2>/dev/null; }

print_next_steps() {
  local tries
  for ((tries = 0; tries < 50; ++tries)); do
    sleep 0.1
    is_running || return 0
    if answers; then break; fi
  done
  is_running || return 0
  cat <<NEXT

anteroom answers on port $port, in front of $1. In another terminal:

  ${cli##*/} -p $port set greeting hello
  ${cli##*/} -p $port get greeting
  ${cli##*/} -p $port info anteroom
$([[ -z $server_pid ]] || echo "  ${cli##*/} -s ${upstream#unix://}      # its Redis, directly")

Ctrl-C stops it.

NEXT
}

# A signal ends `wait` early, with a status above 128, while the front-end is still draining.
wait_for_front() {
  local status=0 again
  wait "$front_pid" || status=$?
  while ((status > 128)); do
    again=0
    wait "$front_pid" 2>/dev/null || again=$?
    # 127: the status above was already the front-end's own.
    ((again == 127)) && break
    status=$again
  done
  return "$status"
}

cli=$(first_command redis-cli valkey-cli) || die "neither redis-cli nor valkey-cli is installed"
[[ -x $root/build/anteroom ]] || die "build/anteroom is missing: run make"
trap stop_server EXIT
trap 'exit 130' INT TERM HUP

shown=${upstream:-a Redis of its own}
# An address like redis://user:password@host must not appear on the screen.
[[ $shown == *@* ]] && shown="${shown%%://*}://***@${shown##*@}"
if [[ -z $upstream ]]; then start_server; fi

start_detached - "$root/build/anteroom" serve --upstream "$upstream" --port "$port" "$@"
front_pid=$!
trap 'kill -TERM "$front_pid" 2>/dev/null || true' INT TERM HUP
print_next_steps "$shown"
wait_for_front
