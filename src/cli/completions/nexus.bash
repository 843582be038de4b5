# Completions of nexus for bash: eval "$(nexus completions bash)"
_nexus() {
    local line=${COMP_LINE:0:COMP_POINT} word item summary kind='' prefix='' rest cut='' wide=''
    local -a words found=()
    read -ra words <<<"$line"
    while ((${#words[@]} > 1)) && [[ ${words[0]} != "$1" ]]; do words=("${words[@]:1}"); done # FOO=1 nexus
    [[ $line == *[[:space:]] ]] && words+=('')
    word=${words[${#words[@]} - 1]}
    # Only what is behind the last of these is replaced.
    [[ $COMP_WORDBREAKS == *=* && $word == *=* ]] && cut=${word%"${word##*=}"}
    rest=${word#"$cut"}
    [[ $COMP_WORDBREAKS == *:* && $rest == *:* ]] && cut=$cut${rest%"${rest##*:}"}
    COMPREPLY=()
    while IFS=$'\t' read -r item summary; do
        if [[ $item == :* ]]; then
            kind=${item#:} prefix=$summary
        else
            COMPREPLY+=("${item#"$cut"}")
            [[ $item == *= ]] && wide=-o\ nospace
        fi
    done < <("$1" completions bash -- "${words[@]:1}" 2>/dev/null)
    rest=${word#"$prefix"}
    case $kind in
    paths) mapfile -t found < <(compgen -f -- "$rest") ;;
    folders) mapfile -t found < <(compgen -d -- "$rest") ;;
    sources) mapfile -t found < <(compgen -d -- "$rest"; compgen -f -X '!*.c' -- "$rest") ;;
    programs) mapfile -t found < <(compgen -c -- "$rest" | sort -u) ;;
    esac
    for item in "${found[@]}"; do
        item=$prefix$item
        COMPREPLY+=("${item#"$cut"}")
    done
    # Folders get a slash, names with blanks their quotes.
    [[ $kind == paths || $kind == folders || $kind == sources ]] && wide="$wide -o filenames"
    [[ $wide ]] && compopt $wide 2>/dev/null
    return 0
}
complete -F _nexus nexus
