#compdef claude-record
# Completion of claude-record for zsh: a file, then "--", and a backend with what it takes.
_claude_record() {
  case $CURRENT in
  2) _files && compadd -- --help ;;
  3) compadd -- -- ;;
  *) shift 3 words && ((CURRENT -= 3)) && _normal ;;
  esac
}
_claude_record "$@"
