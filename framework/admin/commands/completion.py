"""`completion`: lines for a shell's start-up file; `complete`: what they ask at each press of TAB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from framework.admin.command import Answer, Command, Invocation, OfflineInvocation
from framework.admin.commands import schemas
from framework.admin.completion import FILE_NAMES, candidates
from framework.admin.parsing import CommandTable

if TYPE_CHECKING:
    import argparse

    from framework.admin.command import GatewayView

# bash takes KEY=VALUE and a URL apart at COMP_WORDBREAKS and at quotes, and puts what is found in the place of the last
# piece only, its $2: so words are put together again as they stand in the line and freed of quotes, and what is found
# loses what stands before that piece. It is quoted as the open quote, or none, asks for.
_BASH: Final = r"""
_gatewright_plain() {
    local i each
    plain="" quote=""
    for ((i = 0; i < ${#1}; i++)); do
        each=${1:i:1}
        if [[ $each == "\\" && $quote != "'" ]]; then
            ((i++))
            [[ $quote == '"' && ${1:i:1} != [\"\\\$\`] ]] && plain+=$each
            plain+=${1:i:1}
        elif [[ -n $quote && $each == "$quote" ]]; then
            quote=""
        elif [[ -z $quote && $each == [\'\"] ]]; then
            quote=$each
        else
            plain+=$each
        fi
    done
}
_gatewright_offer() {
    local each=${1#"$start"}
    case $quote in
        "'") each=${each//\'/\'\\\'\'} ;;
        '"') each=$(sed 's/[\\"$`]/\\&/g' <<<"$each") ;;
        *) printf -v each %q "$each" ;;
    esac
    COMPREPLY+=("$each")
}
_gatewright() {
    local IFS=$'\n' rest=${COMP_LINE:0:COMP_POINT} raw=() words=() plain quote start piece blanks found each i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        blanks=${rest%%[![:space:]]*}
        rest=${rest#"$blanks"}
        piece=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || piece=$rest
        rest=${rest#"$piece"}
        if ((i == 0)) || [[ -n $blanks ]]; then
            raw+=("$piece")
        else
            raw[-1]+=$piece
        fi
    done
    for each in "${raw[@]:1}"; do
        _gatewright_plain "$each"
        words+=("$plain")
    done
    _gatewright_plain "${raw[-1]%"$2"}"
    start=$plain
    found=$(gatewright complete -- "${words[@]}" 2>/dev/null)
    COMPREPLY=()
    if [[ $found == "(files)" && ${words[-1]} == *=@* ]]; then
        for each in $(compgen -f -- "${words[-1]#*=@}"); do
            [[ -d $each ]] && each+=/ && compopt -o nospace
            _gatewright_offer "${words[-1]%%=@*}=@$each"
        done
        return
    elif [[ $found == "(files)" ]]; then
        compopt -o filenames -o default
        return
    fi
    for each in $found; do
        [[ $each == *[=@] ]] && compopt -o nospace
        _gatewright_offer "$each"
    done
}
complete -F _gatewright gatewright
""".lstrip()

# PREFIX is the word up to the cursor, without a quote that is open.
_ZSH: Final = """\
#compdef gatewright
_gatewright() {
    local found
    found=$(gatewright complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    if [[ "$found" == "(files)" ]]; then
        compset -P '*=@'
        _files
    else
        local -a all=(${(f)found})
        compadd -S '' -- ${(M)all:#*[=@]}
        compadd -- ${all:#*[=@]}
    fi
}
compdef _gatewright gatewright
"""

_FISH: Final = """\
function __gatewright_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (gatewright complete -- $words[2..-1] 2>/dev/null)
    if test "$found" = "(files)"
        set -l before (string match -r '^[^=]*=@' -- $words[-1])
        set -l path (string replace -r '^[^=]*=@' '' -- $words[-1])
        printf "$before%s\\n" (__fish_complete_path $path)
    else
        printf '%s\\n' $found
    end
end
complete -c gatewright -f -a '(__gatewright_complete)'
"""

SHELLS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def _completion(invocation: Invocation | OfflineInvocation) -> Answer:
    shell = invocation.options.shell
    return Answer({"shell": shell, "script": SHELLS[shell]}, SHELLS[shell].rstrip("\n"))


def _completion_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=sorted(SHELLS), help="whose language to speak")


def _complete(invocation: Invocation) -> Answer:
    from framework.admin.commands import framework_commands  # noqa: PLC0415  # which lists this command, too

    gateway = invocation.gateway
    return _candidates(CommandTable([*framework_commands(), *gateway.commands]), invocation.options.words, gateway)


def _complete_offline(invocation: OfflineInvocation) -> Answer:
    from framework.admin.offline import installed_commands  # noqa: PLC0415  # which uses the list of commands

    return _candidates(installed_commands(), invocation.options.words, None)


def _candidates(table: CommandTable, words: list[str], gateway: GatewayView | None) -> Answer:
    found = candidates(table, words, gateway)
    return Answer(found, "(files)" if found == [FILE_NAMES] else "\n".join(found))


def _complete_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="WORD", nargs="*", help="the words so far, after --; the last may be empty")


COMMANDS: Final = (
    Command(
        path=("completion",),
        help="lines for a shell's start-up file, so that TAB completes commands, options, pids and aliases",
        run=_completion,
        offline=_completion,
        arguments=_completion_arguments,
        examples=(
            "gatewright completion bash",
            "gatewright completion fish",
        ),
        schema=schemas.completion,
    ),
    Command(
        path=("complete",),
        help="what may come next in a command line; shells ask it",
        run=_complete,
        offline=_complete_offline,
        arguments=_complete_arguments,
        examples=("gatewright complete -- config g",),
        schema=schemas.complete,
    ),
)
