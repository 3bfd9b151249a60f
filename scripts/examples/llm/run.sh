#!/bin/sh
# Asks by llm (pip install llm), with a configuration of its own: a question, one with a tool, one with a schema.
#
# usage: [BASE=http://localhost:8000] [TOKEN=…] run.sh [QUESTION [QUESTION WITH A TOOL [QUESTION WITH A SCHEMA]]]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
LLM_USER_PATH=$(mktemp -d)
trap 'rm -rf "$LLM_USER_PATH"' EXIT
export LLM_USER_PATH
sed "s|http://localhost:8000|${BASE:-http://localhost:8000}|" "$here/extra-openai-models.yaml" >"$LLM_USER_PATH/extra-openai-models.yaml"
llm keys set claude-proxy --value "${TOKEN:-any}"
llm -m claude-proxy "${1:-What is a Unix pipe?}"
llm -m claude-proxy -T llm_time "${2:-What time is it?}"
llm -m claude-proxy --schema 'city, days int' "${3:-Plan a short trip to the north of Norway.}"
