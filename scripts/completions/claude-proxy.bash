# Completion of claude-proxy for bash: its words and options, and those of http-frontd, which takes the rest.
_claude_proxy() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} said='' at
  COMPREPLY=()
  for ((at = 1; at < COMP_CWORD; at++)); do
    case ${COMP_WORDS[at]} in
    --config) at=$((at + 1)) ;;
    serve | check | demo | ask | token) said=${COMP_WORDS[at]} && break ;;
    esac
  done
  case $said,$before in
  ask,--model) mapfile -t COMPREPLY < <(compgen -W 'sonnet opus haiku fable' -- "$word") ;;
  ask,--system | token,*) ;;
  ask,*) mapfile -t COMPREPLY < <(compgen -W '--model --system --help' -- "$word") ;;
  *,--config) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
  *)
    local options
    options=$(http-frontd --help 2>/dev/null | sed -nE 's/^  (-[a-zA-Z], )?(--[a-z-]+).*/\2/p')
    [ "$said" ] || options="serve check demo ask token $options"
    mapfile -t COMPREPLY < <(compgen -W "--config --check --inetd --wait --words $options" -- "$word" | sort -u)
    ;;
  esac
}
complete -o default -F _claude_proxy claude-proxy
