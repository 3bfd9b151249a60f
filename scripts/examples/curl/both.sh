#!/bin/sh
# All interfaces by curl: a question, a stream, a count, the models.
#
# usage: [BASE=http://localhost:8000] [TOKEN=…] both.sh [QUESTION]
set -eu
base=${BASE:-http://localhost:8000}
question=${1:-What is a Unix pipe?}

# call PATH [BODY]: asks, and fails where the status does.
call() {
  path=$1
  shift
  curl -sSN --fail-with-body "$base$path" -H 'content-type: application/json' -H 'anthropic-version: 2023-06-01' \
    ${TOKEN:+-H "x-api-key: $TOKEN"} ${1:+-d "$1"}
  echo
}
# The question as JSON, whatever stands in it.
message=$(jq -nc --arg text "$question" '{role: "user", content: $text}')

echo '== Anthropic, whole'
call /v1/messages "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":300,\"messages\":[$message]}"
echo '== Anthropic, a stream'
call /v1/messages "{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":300,\"stream\":true,\"messages\":[$message]}"
echo '== OpenAI, whole'
call /openai/v1/chat/completions "{\"model\":\"claude-sonnet-5-5\",\"messages\":[$message]}"
echo '== OpenAI, a stream'
call /openai/v1/chat/completions "{\"model\":\"claude-sonnet-5-5\",\"stream\":true,\"messages\":[$message]}"
echo '== OpenAI Responses, whole'
call /openai/v1/responses "{\"model\":\"claude-sonnet-5-5\",\"input\":[$message]}"
echo '== OpenAI Responses, a stream'
call /openai/v1/responses "{\"model\":\"claude-sonnet-5-5\",\"stream\":true,\"store\":false,\"input\":[$message]}"
echo '== How many tokens'
call /v1/messages/count_tokens "{\"model\":\"claude-sonnet-5-5\",\"messages\":[$message]}"
echo '== The models'
call /v1/models
