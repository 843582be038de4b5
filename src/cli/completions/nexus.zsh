#compdef nexus
# Completions of nexus for zsh: source <(nexus completions zsh), or a file _nexus in a folder of $fpath.
_nexus() {
    local line item kind prefix
    local -a typed offered open
    typed=("${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}")
    for line in "${(@f)$(command ${(Q)words[1]} completions zsh -- "${typed[@]}" 2>/dev/null)}"; do
        item=${line%%$'\t'*}
        case $item in
        '') ;;
        :*) kind=${item#:} prefix=${line#*$'\t'} ;;
        *=) open+=("${item//:/\\:}:${line#*$'\t'}") ;;
        *) offered+=("${item//:/\\:}:${line#*$'\t'}") ;;
        esac
    done
    (( $#offered )) && _describe nexus offered
    (( $#open )) && _describe nexus open -S ''
    # What is before the prefix's end stays as it is.
    IPREFIX+=$prefix
    PREFIX=${PREFIX#"$prefix"}
    case $kind in
    paths) _files ;;
    folders) _files -/ ;;
    sources) _files -g '*.c' ;;
    programs) _command_names -e ;;
    esac
}
if [[ ${funcstack[1]} == _nexus ]]; then
    _nexus "$@"
else
    compdef _nexus nexus
fi
