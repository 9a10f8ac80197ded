# fish completion of mayact; goes to ~/.config/fish/completions/mayact.fish
complete -c mayact -n __fish_use_subcommand -f -a serve -d 'the server'
complete -c mayact -n __fish_use_subcommand -f -a migrate -d 'creates or upgrades the tables'
complete -c mayact -n __fish_use_subcommand -f -a db -d 'runs an SQL script'
complete -c mayact -n __fish_use_subcommand -f -a import -d 'users from CSV or JSON Lines'
complete -c mayact -n __fish_use_subcommand -f -a check -d 'what is wrong or missing'
complete -c mayact -n __fish_use_subcommand -f -a demo -d 'plays an impersonation'
complete -c mayact -n __fish_use_subcommand -f -a keys -d 'list, rotate, retire'
complete -c mayact -n __fish_use_subcommand -f -a impersonations -d 'list, end'
complete -c mayact -n __fish_use_subcommand -f -a audit -d 'verify, export, keys'
complete -c mayact -n __fish_use_subcommand -f -a mail -d 'list, retry'
complete -c mayact -n __fish_use_subcommand -f -a plugins -d 'list, types, new, test'
complete -c mayact -n __fish_use_subcommand -f -a backup -d 'a copy of the SQLite database'
complete -c mayact -n __fish_use_subcommand -f -a restore -d 'puts a backup in the place of the database'
complete -c mayact -n '__fish_seen_subcommand_from db; and not __fish_seen_subcommand_from exec' -f -a exec
complete -c mayact -n '__fish_seen_subcommand_from keys; and not __fish_seen_subcommand_from list rotate retire' -f -a 'list rotate retire'
complete -c mayact -n '__fish_seen_subcommand_from impersonations; and not __fish_seen_subcommand_from list end' -f -a 'list end'
complete -c mayact -n '__fish_seen_subcommand_from impersonations' -l all
complete -c mayact -n '__fish_seen_subcommand_from impersonations' -l impersonator -x
complete -c mayact -n '__fish_seen_subcommand_from impersonations' -l subject -x
complete -c mayact -n '__fish_seen_subcommand_from impersonations' -l application -x
complete -c mayact -n '__fish_seen_subcommand_from impersonations' -l state -x
complete -c mayact -n '__fish_seen_subcommand_from impersonations' -l reason -x
complete -c mayact -n '__fish_seen_subcommand_from mail; and not __fish_seen_subcommand_from list retry' -f -a 'list retry'
complete -c mayact -n '__fish_seen_subcommand_from mail' -l state -x -a 'queued sent failed'
complete -c mayact -n '__fish_seen_subcommand_from audit; and not __fish_seen_subcommand_from verify export keys' -f -a 'verify export keys'
complete -c mayact -n '__fish_seen_subcommand_from plugins; and not __fish_seen_subcommand_from list types new test' -f -a 'list types new test'
complete -c mayact -n '__fish_seen_subcommand_from rotate' -l publish-for -x
complete -c mayact -n '__fish_seen_subcommand_from retire' -l now
complete -c mayact -n '__fish_seen_subcommand_from verify' -l keys -r -F
complete -c mayact -n '__fish_seen_subcommand_from export' -l from -x
complete -c mayact -n '__fish_seen_subcommand_from export' -l to -x
complete -c mayact -n '__fish_seen_subcommand_from restore' -l force
complete -c mayact -n '__fish_seen_subcommand_from restore' -l keep-sessions
complete -c mayact -n '__fish_seen_subcommand_from import' -l dry-run
complete -c mayact -n '__fish_seen_subcommand_from import' -l report -r -F
complete -c mayact -n '__fish_seen_subcommand_from import' -l again
complete -c mayact -n '__fish_seen_subcommand_from check' -l mail
complete -c mayact -n '__fish_seen_subcommand_from demo' -l keep
complete -c mayact -l config -r -F
complete -c mayact -l json -l version -l help
