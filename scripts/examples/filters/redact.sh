#!/bin/sh
# A stage that takes card numbers and mail addresses out of requests, by jq.
#
# usage: PIPELINE='model-map | oai2anth | scripts/examples/filters/redact.sh | claude-exec | anth2oai | sse-encode'
#
# It touches the strings of requests alone, and hands everything else on. (jq makes each line anew: 1.50 becomes 1.5.)
# --unbuffered, or an answer would wait until the buffer is full.
exec jq -c --unbuffered '
  if has("request") then
    .request |= walk(
      if type == "string" then
        gsub("\\b[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}\\b"; "[card]")
        | gsub("[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}"; "[mail]")
      else . end)
  else . end'
