#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion as bash does it, next to what --help says.
# usage: test-completion.sh COMPLETION PROGRAM...
set -u
. "$(dirname "$0")/tap.sh"
# shellcheck source=/dev/null
. "$1"
shift
export LC_ALL=C
for program; do PATH=$(dirname "$program"):$PATH; done

# complete WORD...: what is offered for the last of them, sorted.
complete_words()
{
	local COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_helix "$1"
	printf '%s\n' "${COMPREPLY[@]}" | sort
}
# Otherwise than the completion reads it: every word in the column of options.
in_help() { "$@" --help | grep -E '^ +-' | sed 's/  *[^ -].*//; s/,//g' | grep -oE -- '--[a-z0-9-]+' | sort -u; }
with_value() { "$@" --help | grep -oE -- '^ +(-[a-z], )?--[a-z0-9-]+ [^ ]+' | grep -oE -- '--[a-z0-9-]+' | sort; }
takes_value() { "$@" --help | _helix_options | awk '$3 != "-" { print $1 }' | sort; }

for program in helixctl helix-leased helix-exportd; do
	says "$program is completed" "-F _helix $program" "$(complete -p "$program")"
	same "its options are those of --help" "$(in_help "$program")" "$(complete_words "$program" --)"
	same "and those with a value as well" "$(with_value "$program")" "$(takes_value "$program")"
done
commands=$(helixctl --help | sed -n '/^$/,/^$/s/^  \([a-z]*\) .*/\1/p' | sort)
same "helixctl's commands are those of --help" "$commands" "$(complete_words helixctl '')"
same "also after a global option" "$commands" "$(complete_words helixctl --socket run '')"
for command in $commands; do
	same "the options of $command are those of its --help" "$(in_help helixctl "$command")" "$(complete_words helixctl "$command" --)"
	same "and those of $command with a value as well" "$(with_value helixctl "$command")" "$(takes_value helixctl "$command")"
done
same "after which comes no option" "" "$(complete_words helixctl acquire --label -)"
same "after others does" "--json" "$(complete_words helixctl acquire --end-on-close --j)"
same "a part is completed" "--timeout" "$(complete_words helixctl --direct revoke --ti)"
same "helix-exportd has one command" token "$(complete_words helix-exportd '')"
same "with options of its own" "$(in_help helix-exportd token)" "$(complete_words helix-exportd token --)"
same "choices" "journal
json
text" "$(complete_words helix-exportd --log '')"
same "sort keys" "fps
flips" "$(complete_words helixctl top -s f | sort -r)"
for key in $(complete_words helixctl top --sort ''); do
	check "--sort $key is one" bash -c 'helixctl --socket /nonexistent top --once --sort "$0" 2>&1 | grep -q "helix-leased running"' "$key"
done
says "groups" root "$(complete_words helix-leased --group roo)"
says "processes" $$ "$(complete_words helixctl acquire -p $$)"
says "programs to run" env "$(complete_words helixctl run --size 1x1 env)"
same "which have options of their own" "" "$(complete_words helixctl run env --)"
tap_done
