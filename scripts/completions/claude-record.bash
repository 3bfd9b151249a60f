# Completion of claude-record for bash: a file, then "--", a backend, and files for it.
_claude_record() {
  local word=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  case $COMP_CWORD in
  1) mapfile -t COMPREPLY < <(compgen -f -- "$word" && compgen -W --help -- "$word") ;;
  2) mapfile -t COMPREPLY < <(compgen -W -- -- "$word") ;;
  3) mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
  esac
}
complete -o default -F _claude_record claude-record
