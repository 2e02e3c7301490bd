# SPDX-License-Identifier: Apache-2.0
# Completion of flowcronctl for bash. Orders and options are those that the program itself tells of, so
# that this file knows none that is not there; instances and Units of Work are asked for when needed.
# Nothing of a name is ever evaluated.

_flowcronctl_words() {
    # What `flowcronctl --help` (or `flowcronctl flow --help`) lists as orders, or an order's options.
    local what=$1
    shift
    if [[ $what == orders ]]; then
        flowcronctl "$@" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'
    else
        flowcronctl "$@" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]+' | sort -u
    fi
}

# Names, a line each; --base, --instance and --config as they were typed.
_flowcronctl_uows() {
    flowcronctl "${_flowcronctl_which[@]}" --json list 2>/dev/null |
        sed -n 's/^ *"name": "\(.*\)",\{0,1\}$/\1/p' | grep -v '[\]'
}

_flowcronctl() {
    local cur prev word i
    # `order` has two words for the orders of `flow`.
    local -a order=() candidates=() _flowcronctl_which=()
    COMPREPLY=()
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        -i | --instance | --config | --base)
            ((i + 1 < COMP_CWORD)) && _flowcronctl_which+=("$word" "${COMP_WORDS[++i]}")
            ;;
        -*) ;;
        *) [[ ${order[0]-} && (${order[0]} != flow || ${order[1]-}) ]] || order+=("$word") ;;
        esac
    done
    case $prev in
    -i | --instance) mapfile -t candidates < <(flowcronctl list-instances --names 2>/dev/null) ;;
    --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
    --base) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
    --state) candidates=(arriving uploaded staged queued finished soft-deleted purged) ;;
    --outcome) candidates=(succeeded failed rejected cancelled lost) ;;
    --service) candidates=(auto systemd scrontab cron none) ;;
    --scheduler) candidates=(slurm local) ;;
    *)
        if [[ -z ${order[0]-} && $cur == -* ]]; then
            candidates=(--instance --config --base --json --help)
        elif [[ -z ${order[0]-} ]]; then
            mapfile -t candidates < <(_flowcronctl_words orders)
        elif [[ $cur == -* ]]; then
            mapfile -t candidates < <(_flowcronctl_words options "${order[@]}")
        else
            case "${order[*]}" in
            flow) mapfile -t candidates < <(_flowcronctl_words orders flow) ;;
            'flow validate') mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
            status | show | history | retry | cancel | restore | purge | logs)
                mapfile -t candidates < <(_flowcronctl_uows)
                ;;
            submit | validate) mapfile -t COMPREPLY < <(compgen -d -- "$cur") && return ;;
            help) mapfile -t candidates < <(_flowcronctl_words orders) ;;
            esac
        fi
        ;;
    esac
    for word in "${candidates[@]}"; do
        [[ $word == "$cur"* ]] && COMPREPLY+=("$(printf %q "$word")")
    done
}

complete -F _flowcronctl flowcronctl
