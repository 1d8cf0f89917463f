# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
# TAP for shell tests, to be sourced. A check is a name and a command that must succeed.
tap_n=0
tap_failed=0

tap_ok()
{
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $1"
}

tap_not_ok()
{
	tap_n=$((tap_n + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_n - $1"
	[ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/# /'
}

check()
{
	tap_name=$1
	shift
	if tap_out=$("$@" 2>&1); then
		tap_ok "$tap_name"
	else
		tap_not_ok "$tap_name" "$* failed: $tap_out"
	fi
}

# same NAME EXPECTED ACTUAL
same()
{
	if [ "$2" = "$3" ]; then
		tap_ok "$1"
	else
		tap_not_ok "$1" "expected \"$2\", got \"$3\""
	fi
}

# says NAME PART TEXT
says()
{
	case $3 in
	*"$2"*) tap_ok "$1" ;;
	*) tap_not_ok "$1" "\"$3\" does not say \"$2\"" ;;
	esac
}

# Until the command succeeds, at most 20 seconds: a guard, nothing is measured.
wait_for()
{
	tap_i=0
	until "$@" >/dev/null 2>&1; do
		tap_i=$((tap_i + 1))
		[ "$tap_i" -lt 400 ] || return 1
		sleep 0.05
	done
}

tap_done()
{
	echo "1..$tap_n"
	[ "$tap_failed" -eq 0 ]
}
