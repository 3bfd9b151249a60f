# Completion of claude-record for fish: a file, then "--", and a backend with what it takes.
complete -c claude-record -n 'test (count (commandline -opc)) -eq 1' -F
complete -c claude-record -n 'test (count (commandline -opc)) -eq 1' -l help -d 'Say what it does'
complete -c claude-record -n 'test (count (commandline -opc)) -eq 2' -f -a --
complete -c claude-record -n 'test (count (commandline -opc)) -ge 3' -f -a '(__fish_complete_subcommand --fcs-skip=3)'
