# shellcheck shell=sh
# Reads the settings: file, credentials, defaults; and says what is wrong with them. claude-proxy sources it.
#
# It takes   config              the settings file, or nothing
#            words               1: the settings are read again, those of the file alone
#            inetd, passed       1: the address is someone else's
#            build               the build folder, a place to look for the CLI
#            problem TEXT        called with what is wrong; where it returns, the next one is looked for
# and gives  the environment     what the file and the credentials set, unless it was set before
#            secrets             the names of the settings that are never shown
#            host, port, listen  where to listen; listen is the whole of it
#            backend             BACKEND, with auto decided
#            closed              why nobody but this machine may be let in, or nothing
#            responses           the file of responses, or nothing if none are kept
#            RUN_DIR             where the private files are; not exported yet
#      and  no_store REASON     logs why no responses are kept, and sets responses to nothing
# CLAUDE_PROXY_FROM_FILE has the names of what came from the file, for the next reading.
#
# shellcheck disable=SC2154 # words, inetd and the others are claude-proxy's
# shellcheck disable=SC2034 # listen and the others are for claude-proxy

secrets='AUTH_TOKEN BEARER_TOKEN ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN CLAUDE_CODE_OAUTH_TOKEN'

# What the file said before is forgotten; what the environment says stays.
if [ "$words" ]; then for name in ${CLAUDE_PROXY_FROM_FILE-}; do unset "$name"; done; fi
from_file=
# take NAME VALUE: a setting of the file, unless the environment has one.
take() {
  case " $from_file " in
  *" $1 "*) ;;
  *) if eval "[ \"\${$1+set}\" ]"; then return; fi && from_file="$from_file $1" ;;
  esac
  export "$1=$2"
}
# is_setting NAME: whether a file may set it. PATH and the like are the environment's.
is_setting() {
  case $1 in
  '' | *[!A-Za-z0-9_]* | [0-9]* | CLAUDE_PROXY_*) return 1 ;;
  esac
  case " $secrets " in *" $1 "*) return ;; esac
  case $1 in
  HOST | PORT | BACKEND | PIPELINE | STAGE_ENV | PIPELINES | PROCESSES | RECORD | RUN_DIR | AUTH_TOKEN | BEARER_TOKEN | AUTH_TOKENS_FILE | ALLOW_UNAUTHENTICATED | \
    ALLOW_SHARED_LOGIN | SOCKET_MODE | ALLOWED_HOSTS | CORS_ORIGINS | TRUSTED_PROXIES | CHAT_COMPLETIONS_DIALECT | GRACE_PERIOD | EXIT_AFTER_IDLE | \
    ROUTES | STATE_DIR | RESPONSES_STORE | RESPONSES_KEEP | RESPONSES_MAX_SIZE | DEFAULT_MODEL | MODELS_FILE | STRICT | PROMPT_CACHE | \
    LOG_LEVEL | LOG_FORMAT | LOG_FILE | NO_COLOR) ;;
  MAX_BODY | MAX_NODES | MAX_HEADER | MAX_CONNECTIONS | MAX_CONNECTIONS_PER_ADDRESS | MAX_IN_FLIGHT | MAX_BUFFERED | REQUEST_TIMEOUT | \
    IDLE_TIMEOUT | HEADER_TIMEOUT | BODY_TIMEOUT | KEEP_ALIVE_TIMEOUT | QUEUE_TIMEOUT | RATE_LIMIT_REQUESTS | RATE_LIMIT_BURST | \
    RATE_LIMIT_EXEMPT | CONNECT_TIMEOUT | FIRST_BYTE_TIMEOUT | MAX_RETRIES) ;;
  CLAUDE_* | ANTHROPIC_* | HTTP_PROXY | HTTPS_PROXY | ALL_PROXY | NO_PROXY | http_proxy | https_proxy | all_proxy | no_proxy | SSL_CERT_FILE | SSL_CERT_DIR | \
    NODE_EXTRA_CA_CERTS) ;;
  *) return 1 ;;
  esac
}
# add_stage_secrets: the secrets that STAGE_ENV names for stages in PIPELINE are settings too, as secret as the others.
# Capital letters only: small ones are the names of this script.
add_stage_secrets() {
  set -f
  for entry in ${STAGE_ENV-}; do
    rest=${entry#*=},
    while [ "$rest" ]; do
      name=${rest%%,*} rest=${rest#*,}
      case "$name, $secrets " in '',* | [0-9]* | CLAUDE_PROXY_* | PATH,* | HOME,* | IFS,* | *[!A-Z0-9_]*,* | *" $name "*) ;; *) secrets="$secrets $name" ;; esac
    done
  done
  set +f
}
# read_settings FILE [FIRST]: lines of NAME=value as in /etc/default; the value may stand in quotes. Nothing is expanded.
# FIRST is the one setting that is read; without it all others are.
read_settings() {
  number=0 space=$(printf ' \t\r') is_open=$(find -L "$1" -perm /007)
  while IFS= read -r line || [ "$line" ]; do
    number=$((number + 1))
    line=${line#"${line%%[!"$space"]*}"} line=${line%"${line##*[!"$space"]}"}
    case ${2-},$line in STAGE_ENV,STAGE_ENV=*) ;; STAGE_ENV,* | ,STAGE_ENV=*) continue ;; esac
    case $line in
    '' | '#'*) continue ;;
    *=*) name=${line%%=*} value=${line#*=} ;;
    *) problem "$1: line $number is not NAME=value" && continue ;;
    esac
    # Never the line itself: it may hold a secret.
    case $name in *[!A-Z_a-z0-9]*) name="what it names" ;; esac
    is_setting "$name" || { problem "$1: line $number: $name is no setting" && continue; }
    case $value in
    \"*\"?* | \'*\'?* | \" | \') problem "$1: line $number: the value of $name has a quote too many or too few" && continue ;;
    \"*\" | \'*\') value=${value#?} value=${value%?} ;;
    *[\"\']*) problem "$1: line $number: the value of $name has a quote too many or too few" && continue ;;
    esac
    case " $secrets " in
    *" $name "*) [ -z "$is_open" ] || problem "$1: line $number: $name is a secret, and others may read the file; chmod o= would do" ;;
    esac
    take "$name" "$value"
  done <"$1"
}
if [ "$config" ]; then
  if [ -f "$config" ] && [ -r "$config" ]; then
    # It says which other names are settings.
    read_settings "$config" STAGE_ENV
    add_stage_secrets
    read_settings "$config"
  else
    problem "$config: the file does not exist or can't be read"
  fi
fi
[ "$config" ] || add_stage_secrets
for name in $secrets; do
  file=${CREDENTIALS_DIRECTORY:-/nonexistent}/$name
  [ ! -f "$file" ] || take "$name" "$(cat "$file")"
done
[ "${RUN_DIR-}" ] || from_file="$from_file RUN_DIR"
export CLAUDE_PROXY_FROM_FILE="$from_file"

host=${HOST:-127.0.0.1} port=${PORT:-8000} backend=${BACKEND:-auto}
# has_cli: whether there is a CLI in one of the places where claude-exec looks.
has_cli() {
  ! command -v claude >/dev/null || return 0
  for place in "${CLAUDE_CLI_PATH-}" "$build/claude-cli/claude" ~/.local/bin/claude ~/.claude/local/claude \
    ~/.npm-global/bin/claude ~/node_modules/.bin/claude node_modules/.bin/claude ~/.yarn/bin/claude ~/.bun/bin/claude \
    ~/.volta/bin/claude "${NVM_DIR:-${HOME-}/.nvm}"/versions/node/*/bin/claude "${PNPM_HOME-}/claude" \
    ~/.local/share/pnpm/claude /usr/local/bin/claude /opt/homebrew/bin/claude /usr/bin/claude; do
    if [ -f "$place" ] && [ -x "$place" ]; then return 0; fi
  done
  return 1
}
if [ "$backend" = auto ]; then
  backend=claude-exec
  [ -z "${ANTHROPIC_API_KEY-}${ANTHROPIC_AUTH_TOKEN-}${ANTHROPIC_API_KEY_FILE-}${ANTHROPIC_AUTH_TOKEN_FILE-}" ] ||
    has_cli || backend=claude-http
fi
case $port in *[!0-9]* | ??????*) problem "PORT=$port: expected a number, for example 8000" ;; esac
# check_numbers UNIT EXAMPLE NAME...: what these settings count, and a value that would do.
check_numbers() {
  unit=$1 example=$2 && shift 2
  for name; do
    eval "value=\${$name-}"
    case $value in
    *[!0-9]* | ???????????????*) problem "$name=$value: expected a number of $unit, for example $example" && unset "$name" ;;
    esac
  done
}
check_numbers bytes 1048576 MAX_BODY MAX_HEADER MAX_BUFFERED RESPONSES_MAX_SIZE
check_numbers 'JSON values' 1000000 MAX_NODES
check_numbers connections 1000 MAX_CONNECTIONS MAX_CONNECTIONS_PER_ADDRESS
check_numbers requests 60 RATE_LIMIT_REQUESTS RATE_LIMIT_BURST MAX_IN_FLIGHT
check_numbers seconds 30 REQUEST_TIMEOUT IDLE_TIMEOUT HEADER_TIMEOUT BODY_TIMEOUT KEEP_ALIVE_TIMEOUT QUEUE_TIMEOUT \
  CONNECT_TIMEOUT FIRST_BYTE_TIMEOUT GRACE_PERIOD EXIT_AFTER_IDLE RESPONSES_KEEP
case ${PIPELINES-} in auto) ;; *) check_numbers 'pipelines, or auto' 2 PIPELINES ;; esac
case ${PROCESSES:-one} in one | each) ;; *) problem "PROCESSES=$PROCESSES: expected one or each" && unset PROCESSES ;; esac
check_numbers processes 2 CLAUDE_MAX_PROCESSES CLAUDE_WARM_PROCESSES
check_numbers retries 2 MAX_RETRIES
# A word such as "no" must not switch on what it would switch off.
for name in ALLOW_UNAUTHENTICATED ALLOW_SHARED_LOGIN STRICT; do
  eval "value=\${$name-}"
  case $value in
  '' | 0 | 1) ;;
  *) problem "$name=$value: expected 0 or 1" && unset "$name" ;;
  esac
done
# Why the server must not be open to other machines. http-frontd decides which addresses and proxies make it so.
closed=
[ "${ALLOW_UNAUTHENTICATED-}" != 0 ] || ALLOW_UNAUTHENTICATED=
if [ "${AUTH_TOKEN-}${BEARER_TOKEN-}${AUTH_TOKENS_FILE-}${ALLOW_UNAUTHENTICATED-}" ]; then
  # A login is its owner's alone. A stage of PIPELINE may use it too.
  case ${ALLOW_SHARED_LOGIN:-0},$backend${PIPELINE:+ $PIPELINE},${CLAUDE_AUTH:-auto} in
  0,*claude-exec*,key) ;;
  0,*claude-exec*) closed="the login is yours; set CLAUDE_AUTH=key, ALLOW_SHARED_LOGIN=1, or HOST=127.0.0.1 without TRUSTED_PROXIES" ;;
  esac
else
  closed="set AUTH_TOKEN, HOST=127.0.0.1 without TRUSTED_PROXIES, or ALLOW_UNAUTHENTICATED=1 if that is meant"
fi
case $host in localhost) host=127.0.0.1 ;; esac
case $host in unix:*) listen=$host ;; *:*) listen="[$host]:$port" ;; *) listen=$host:$port ;; esac
[ -z "$inetd" ] || listen='standard input'
[ -z "$passed" ] || listen='what systemd passed'

RUN_DIR=${RUN_DIR:-${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/claude-proxy}}
RUN_DIR=${RUN_DIR:-/tmp/claude-proxy-$(id -u)}

case ${LOG_LEVEL:-info} in debug | info | warning | error) ;; *) problem "LOG_LEVEL=$LOG_LEVEL: expected debug, info, warning or error" && LOG_LEVEL= ;; esac
case ${PROMPT_CACHE:-auto} in auto | off) ;; *) problem "PROMPT_CACHE=$PROMPT_CACHE: expected auto or off" ;; esac
case ${LOG_FORMAT:-json} in json | text) ;; *) problem "LOG_FORMAT=$LOG_FORMAT: expected json or text" ;; esac


# no_store REASON: one line of the log, or of --check.
no_store() {
  # A log line takes no quote and no backslash.
  case $1 in *[\"\\]*) set -- 'no file can be made in the folder of STATE_DIR or RESPONSES_STORE; set it to another folder' ;; esac
  warn "responses are not kept, and previous_response_id is refused: $1. To start without this warning, set RESPONSES_STORE=off"
  responses=
}
responses=
# In PIPELINE the user gives responses-store its options.
case ${PIPELINE:+own}${RESPONSES_STORE:-on} in
own*) ;;
on)
  STATE_DIR=${STATE_DIR:-${XDG_STATE_HOME:+$XDG_STATE_HOME/claude-proxy}}
  STATE_DIR=${STATE_DIR:-${HOME:+$HOME/.local/state/claude-proxy}}
  if [ "$STATE_DIR" ]; then responses=$STATE_DIR/responses.sqlite; else no_store 'HOME is not set; set STATE_DIR to a folder for them'; fi
  ;;
off) ;;
*/*) responses=$RESPONSES_STORE ;;
*) problem "RESPONSES_STORE=$RESPONSES_STORE: expected on, off or the path of a file, for example /var/lib/claude-proxy/responses.sqlite" ;;
esac
case ${RESPONSES_KEEP:-1} in *[!0]*) ;; *) problem "RESPONSES_KEEP=$RESPONSES_KEEP: expected at least 1 second; to keep no responses, set RESPONSES_STORE=off" && RESPONSES_KEEP= ;; esac
# A smaller file of SQLite has no room for a response.
[ "${RESPONSES_MAX_SIZE:-65536}" -ge 65536 ] || { problem "RESPONSES_MAX_SIZE=$RESPONSES_MAX_SIZE: expected at least 65536 bytes" && RESPONSES_MAX_SIZE=; }
