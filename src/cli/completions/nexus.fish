# Completions of nexus for fish: nexus completions fish | source
function __nexus_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l kind
    set -l prefix
    set -l command $words[1]
    set -e words[1]
    for line in (command $command completions fish -- $words "$word" 2>/dev/null)
        if string match -q ':*' -- $line
            set -l parts (string split -m 1 \t -- $line)
            set kind (string sub -s 2 -- $parts[1])
            set prefix $parts[2]
        else
            echo $line
        end
    end
    set -l rest (string sub -s (math (string length -- "$prefix") + 1) -- "$word")
    set -l found
    switch "$kind"
        case paths
            set found (__fish_complete_path "$rest")
        case folders
            set found (__fish_complete_directories "$rest" '')
        case sources
            set found (__fish_complete_path "$rest" | string match -r '^[^\t]*(?:\.c|/)(?:\t.*)?$')
        case programs
            set found (complete -C "$rest")
    end
    test -n "$found"; and string join \n -- "$prefix"$found
end
complete -c nexus -f -a '(__nexus_complete)'
