# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Completion for helixctl, helix-leased and helix-exportd. What there is to complete
# is what their --help says, so that there is no second list to be kept.

# The options in a --help, from standard input: "LONG SHORT VALUE" a line, - for none.
_helix_options()
{
	sed -nE 's/^ +((-[a-zA-Z0-9]), )?(--[a-z][a-z0-9-]*)( ([^ ]+))?( .*)?$/\3 \2 \5/p' |
		sed -E 's/^(--[^ ]+)  /\1 - /; s/ $/ -/'
}

# The subcommands in one.
_helix_commands()
{
	sed -nE "s/^  ([a-z][a-z-]*) +.*/\1/p; s/^ +$1 ([a-z]+) .*/\1/p"
}

# Complete @cur as the value that --help calls $1, of the option $2.
_helix_value()
{
	case $1 in
	*'|'*) mapfile -t COMPREPLY < <(compgen -W "${1//|/ }" -- "$cur") ;;
	PATH | FILE)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	DIR)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		;;
	PID) mapfile -t COMPREPLY < <(cd /proc && compgen -W "$(echo [0-9]*)" -- "$cur") ;;
	KEY) [ "$2" != --sort ] || mapfile -t COMPREPLY < <(compgen -W "scanout state user flips fps waits age" -- "$cur") ;;
	WHO) mapfile -t COMPREPLY < <(compgen -W "any admin $(compgen -g)" -- "$cur") ;;
	NAME) [[ $2 != *group ]] || mapfile -t COMPREPLY < <(compgen -g -- "$cur") ;;
	esac
}

# An argument that is no option, of the subcommand $2 of $1.
_helix_argument()
{
	local nodes
	case "$1 $2" in
	"helixctl run")
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
		;;
	"helixctl info" | "helixctl resize" | "helixctl revoke")
		nodes=(/dev/helix/scanout[0-9]*)
		mapfile -t COMPREPLY < <(compgen -W "${nodes[*]#/dev/helix/scanout}" -- "$cur")
		;;
	esac
}

_helix()
{
	local program=${1##*/} cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local run=$1 help options commands command='' word i long short value
	COMPREPLY=()
	help=$("$run" --help 2>/dev/null) || return
	options=$(_helix_options <<<"$help")
	commands=$(_helix_commands "$program" <<<"$help")

	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == -* ]]; then
			while read -r long short value; do
				[[ $word != "$long" && $word != "$short" || $value == - ]] || ((i++))
			done <<<"$options"
		elif [ -z "$command" ] && [[ " ${commands//$'\n'/ } " == *" $word "* ]]; then
			command=$word
			help=$("$run" "$command" --help 2>/dev/null) || return
			options=$(_helix_options <<<"$help")
		elif [ "$command" = run ]; then
			# The rest is another program's.
			compopt -o filenames 2>/dev/null
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		fi
	done

	while read -r long short value; do
		[[ $prev == "$long" || $prev == "$short" ]] && [ "$value" != - ] || continue
		_helix_value "$value" "$long"
		return
	done <<<"$options"
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(cut -d ' ' -f 1 <<<"$options")" -- "$cur")
	elif [ -z "$command" ] && [ -n "$commands" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
	else
		_helix_argument "$program" "$command"
	fi
}

complete -F _helix helixctl helix-leased helix-exportd
