# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What every script here shares: where the checkout and the cache are, and how
# to say something. Sourced, never run.

export TOP
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
HELIX_CACHE=${HELIX_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/helix-lease}
case $HELIX_CACHE in /*) ;; *) HELIX_CACHE=$PWD/$HELIX_CACHE ;; esac
export HELIX_CACHE

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# TAP, for the scripts that check something: points, then points_end.
points=0 points_bad=0
point() {	# NAME STATUS: 0 is ok
	points=$((points + 1))
	if [ "$2" = 0 ]; then echo "ok $points - $1"; else echo "not ok $points - $1"; points_bad=1; fi
}
holds() {	# NAME CMD...: shows what a command that fails has said
	local name=$1 out status=0
	shift
	out=$("$@" 2>&1) || status=$?
	point "$name" "$status"
	[ "$status" = 0 ] || sed 's/^/# /' <<<"$out" | tail -n 40
}
points_end() {
	echo "1..$points"
	exit "$points_bad"
}

# Waits for whoever else builds the same: steps of `make check` run side by side,
# and each builds what it needs. Until this script ends.
alone_in() {	# PATH
	mkdir -p "$(dirname "$1")"
	exec 8>>"$1.lock"
	flock -w 1800 8 || die "waited half an hour for another build of $1"
}

need_root() {
	[ "$(id -u)" = 0 ] || die "must be run as root: it makes mount namespaces and file systems"
}

# Ends a process group: asks, then does not ask.
stop_group() {
	local i
	kill -TERM -- "-$1" 2>/dev/null || return 0
	for ((i = 0; i < 30; i++)); do
		sleep 0.1
		kill -0 -- "-$1" 2>/dev/null || return 0
	done
	kill -KILL -- "-$1" 2>/dev/null || true
}

# Runs a long command with its output in a log, and says every few seconds how
# far it is. An interrupt ends it and all it started: it has a process group of
# its own, since a background job of a script does not get the interrupt key.
# usage: with_progress LABEL LOG CMD...
with_progress() {
	local label=$1 log=$2 start=$SECONDS pid rc ticker=""
	shift 2
	mkdir -p "$(dirname "$log")"
	: >"$log"
	# Linux may give each session the same share of the CPU, whatever its processes' priority: it gets theirs.
	# shellcheck disable=SC2016 # for that shell
	setsid bash -c '{ nice >/proc/self/autogroup; } 2>/dev/null; exec "$@"' bash "$@" >>"$log" 2>&1 </dev/null &
	pid=$!
	# shellcheck disable=SC2064 # the numbers of now
	trap "stop_group $pid; kill \$ticker 2>/dev/null; say '[$label] interrupted'; exit 130" INT TERM HUP
	(
		trap 'exit 0' TERM
		while sleep 10 & wait $!; do
			last=$(tail -c 400 "$log" | tr '\r' '\n' | sed 's/\x1b\[[0-9;]*[A-Za-z]//g' |
				grep -v '^[[:space:]]*$' | tail -n 1 | cut -c -90) || true
			say "[$label] $((SECONDS - start)) s: ${last:-working}"
		done
	) &
	ticker=$!
	rc=0
	wait "$pid" || rc=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	trap - INT TERM HUP
	if [ "$rc" != 0 ]; then
		say "[$label] failed with status $rc after $((SECONDS - start)) s; the end of $log:"
		tail -n 30 "$log" >&2
	fi
	return "$rc"
}

# The programs of selftests/, or some of them; in the root.
make_selftests() {	# TARGET...
	(
		alone_in "$TOP/build/selftests"
		make -s -C "$TOP/selftests" OUT="$TOP/build/selftests" "$@" >&2
	)
}

# Two guests at once: most of the time a test waits for something.
both() {	# FUNCTION FUNCTION: side by side; shows what the second printed after the first
	local out status=0
	out=$(mktemp)
	"$2" >"$out" 2>&1 &
	"$1" || status=1
	wait $! || status=1
	cat "$out"
	rm "$out"
	return "$status"
}
