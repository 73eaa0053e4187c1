#!/usr/bin/env bash
# Validates docker-compose.yml with whichever Compose is installed; no Docker engine is needed.
set -euo pipefail

if docker compose version >/dev/null 2>&1; then
  docker compose config -q
elif command -v docker-compose >/dev/null; then
  docker-compose config -q
else
  echo "compose: neither 'docker compose' nor docker-compose is installed" >&2
  exit 1
fi
