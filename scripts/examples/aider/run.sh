#!/bin/sh
# Has aider (pip install aider-chat) change a file by way of the proxy: an edit, without a question back.
#
# usage: [BASE=http://localhost:8000] [TOKEN=…] run.sh FILE WHAT TO DO
set -eu
[ $# -gt 1 ] || { echo "usage: run.sh FILE WHAT TO DO" >&2 && exit 64; }
file=$1
shift
# aider's name of a model begins with the interface by which it asks.
OPENAI_API_BASE=${BASE:-http://localhost:8000}/openai/v1 OPENAI_API_KEY=${TOKEN:-any} \
  exec aider --model openai/claude-sonnet-5-5 --weak-model openai/claude-haiku-4-5 --edit-format diff \
  --no-show-model-warnings --no-check-update --analytics-disable --no-auto-commits --no-git --no-gitignore --no-pretty \
  --map-tokens 0 --yes-always --no-suggest-shell-commands --no-detect-urls --message "$*" "$file"
