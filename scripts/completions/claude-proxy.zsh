#compdef claude-proxy
# Completion of claude-proxy for zsh: its words and options, and those of http-frontd, which takes the rest.
_claude_proxy() {
  local said='' at
  local -a own front subcommands
  for ((at = 2; at < CURRENT; at++)); do
    case $words[at] in
    --config) at=$((at + 1)) ;;
    serve | check | demo | ask | token) said=$words[at] && break ;;
    esac
  done
  case $said,$words[CURRENT-1] in
  ask,--model) compadd sonnet opus haiku fable ;;
  ask,--system | token,*) ;;
  ask,*)
    own=('--model:ask this model' '--system:a system prompt' '--help:say what it takes')
    _describe -o option own
    ;;
  *,--config) _files ;;
  *)
    subcommands=('serve:what it does without a word' 'check:try all settings, and say what is wrong'
      'demo:serve canned answers, offline' 'ask:answer a question in the terminal' 'token:make a token for AUTH_TOKEN')
    own=('--config:take settings from this file' '--check:try all settings, and say what is wrong'
      '--inetd:serve stdin and stdout' '--wait:it is a socket that listens' '--words:say what http-frontd would get')
    front=(${(f)"$(http-frontd --help 2>/dev/null | sed -nE 's/^  (-[a-zA-Z], )?(--[a-z-]+).*/\2/p')"})
    [[ -n $said ]] || _describe word subcommands
    _describe -o option own
    compadd -a front
    ;;
  esac
}
_claude_proxy "$@"
