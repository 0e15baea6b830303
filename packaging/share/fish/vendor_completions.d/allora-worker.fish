# fish completion for allora-worker, made by `allora-worker --generate fish`

complete -c allora-worker -f
complete -c allora-worker -n __fish_use_subcommand -a run -d 'serve the configured topics until stopped (the default)'
complete -c allora-worker -n __fish_use_subcommand -a check -d 'dry run: test configuration, wallet, endpoints, models; send nothing'
complete -c allora-worker -n __fish_use_subcommand -a status -d 'show what the running worker does: windows, last nonces, waits'
complete -c allora-worker -n __fish_use_subcommand -a keygen -d 'make a new wallet: write its seed phrase to a file, print its address'
complete -c allora-worker -n __fish_use_subcommand -a address -d 'print the address of the configured wallet, which pays the fees'
complete -c allora-worker -n __fish_use_subcommand -a import -d 'make a configuration of one of the Go node or the Python SDK'
complete -c allora-worker -n '__fish_seen_subcommand_from import' -F
complete -c allora-worker -n '__fish_seen_subcommand_from check' -l json -d 'print the findings as one JSON object instead of the table'
complete -c allora-worker -n '__fish_seen_subcommand_from check' -l health -d 'only ask the running worker, at metrics_listen, whether it is healthy'
complete -c allora-worker -n '__fish_seen_subcommand_from status' -l watch -d 'show it again every 2 s, until interrupted'
complete -c allora-worker -n '__fish_seen_subcommand_from status' -l json -d 'print /status.json of the worker instead of the table'
complete -c allora-worker -n '__fish_seen_subcommand_from keygen' -l out -r -F -d 'where the seed phrase goes'
complete -c allora-worker -n '__fish_seen_subcommand_from keygen' -l words -x -a '12 15 18 21 24' -d '12, 15, 18, 21 or 24 words'
complete -c allora-worker -n '__fish_seen_subcommand_from keygen' -l show -d 'also print the seed phrase, on the line after the address'
complete -c allora-worker -n '__fish_use_subcommand; or __fish_seen_subcommand_from run check status address' -s c -l config -r -F -d 'configuration file'
complete -c allora-worker -n '__fish_use_subcommand; or __fish_seen_subcommand_from run' -l log-dir -x -a '(__fish_complete_directories)' -d 'folder of the log file'
complete -c allora-worker -n '__fish_use_subcommand; or __fish_seen_subcommand_from run check status keygen address import' -s h -l help -d 'print help'
complete -c allora-worker -n '__fish_use_subcommand' -s V -l version -d 'print the version'
complete -c allora-worker -n '__fish_use_subcommand' -l generate -x -a 'man bash zsh fish' -d 'print the manual page (man), or the completions of a shell (bash, zsh, fish)'
