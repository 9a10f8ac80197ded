# bash completion of mayact; goes to /usr/share/bash-completion/completions/mayact
_mayact() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  [[ $word == -* ]] && before=
  case $before in
    --config | --keys | --report | exec | import | backup | restore | test | verify) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    db) mapfile -t COMPREPLY < <(compgen -W 'exec' -- "$word") ;;
    impersonations) mapfile -t COMPREPLY < <(compgen -W 'list end' -- "$word") ;;
    mail) mapfile -t COMPREPLY < <(compgen -W 'list retry' -- "$word") ;;
    audit) mapfile -t COMPREPLY < <(compgen -W 'verify export keys' -- "$word") ;;
    keys) mapfile -t COMPREPLY < <(compgen -W 'list rotate retire' -- "$word") ;;
    plugins) mapfile -t COMPREPLY < <(compgen -W 'list types new test' -- "$word") ;;
    *)
      if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--again --all --application --config --dry-run --force --from --impersonator --json --keep --keep-sessions --keys --mail --now --publish-for --reason --report --state --subject --to --version --help' -- "$word")
      elif ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'serve migrate db import check demo keys impersonations mail audit plugins backup restore' -- "$word")
      fi
      ;;
  esac
}
complete -o filenames -F _mayact mayact
