#!/bin/sh
# Has the Codex CLI do a task in the current folder, through the proxy.
#
# usage: [BASE=http://localhost:8000] [CLAUDE_PROXY_TOKEN=…] run.sh WHAT TO DO
#
# Its settings and its sessions are in ./.codex, so that those of ~/.codex stay as they are.
set -eu
[ $# -gt 0 ] || { echo "usage: run.sh WHAT TO DO" >&2 && exit 64; }
export CODEX_HOME="$PWD/.codex" CLAUDE_PROXY_TOKEN="${CLAUDE_PROXY_TOKEN:-any}"
mkdir -p "$CODEX_HOME"
sed "s|http://localhost:8000|${BASE:-http://localhost:8000}|" "$(dirname "$0")/config.toml" >"$CODEX_HOME/config.toml"
exec codex exec --skip-git-repo-check --sandbox "${SANDBOX:-workspace-write}" -- "$*"
