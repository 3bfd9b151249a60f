# Completion of claude-proxy for fish: its words and options, and those of http-frontd, which takes the rest.
set -l words serve check demo ask token
set -l none "not __fish_seen_subcommand_from $words"
set -l serves "not __fish_seen_subcommand_from ask token"
complete -c claude-proxy -f
complete -c claude-proxy -n $none -a serve -d 'What it does without a word'
complete -c claude-proxy -n $none -a check -d 'Try all settings, and say what is wrong'
complete -c claude-proxy -n $none -a demo -d 'Serve canned answers, offline'
complete -c claude-proxy -n $none -a ask -d 'Answer a question in the terminal'
complete -c claude-proxy -n $none -a token -d 'Make a token for AUTH_TOKEN'
complete -c claude-proxy -n $serves -l config -r -F -d 'Take settings from this file'
complete -c claude-proxy -n $serves -l check -d 'Try all settings, and say what is wrong'
complete -c claude-proxy -n $serves -l inetd -d 'Serve stdin and stdout'
complete -c claude-proxy -n $serves -l wait -d 'It is a socket that listens'
complete -c claude-proxy -n $serves -l words -d 'Say what http-frontd would get'
complete -c claude-proxy -n $serves -a "(http-frontd --help 2>/dev/null | string replace -rf '^  (?:-[a-zA-Z], )?(--[a-z-]+).*' '\$1')"
complete -c claude-proxy -n '__fish_seen_subcommand_from ask' -l model -x -a 'sonnet opus haiku fable' -d 'Ask this model'
complete -c claude-proxy -n '__fish_seen_subcommand_from ask' -l system -x -d 'A system prompt'
complete -c claude-proxy -n '__fish_seen_subcommand_from ask' -l help -d 'Say what it takes'
