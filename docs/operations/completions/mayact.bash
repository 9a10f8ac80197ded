# bash completion of mayact; goes to /usr/share/bash-completion/completions/mayact
_mayact() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  [[ $word == -* ]] && before=
  case $before in
    --config | exec | backup | restore | test) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    db) mapfile -t COMPREPLY < <(compgen -W 'exec' -- "$word") ;;
    keys) mapfile -t COMPREPLY < <(compgen -W 'list rotate retire' -- "$word") ;;
    plugins) mapfile -t COMPREPLY < <(compgen -W 'list types new test' -- "$word") ;;
    *)
      if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--config --force --json --keep --keep-sessions --mail --now --publish-for --version --help' -- "$word")
      elif ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'serve migrate db check demo keys plugins backup restore' -- "$word")
      fi
      ;;
  esac
}
complete -o filenames -F _mayact mayact
