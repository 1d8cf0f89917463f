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

need_root() {
	[ "$(id -u)" = 0 ] || die "must be run as root: it makes mount namespaces and file systems"
}

# Runs a long command with its output in a log, and says every few seconds how
# far it is. usage: with_progress LABEL LOG CMD...
with_progress() {
	local label=$1 log=$2 start=$SECONDS pid rc
	shift 2
	mkdir -p "$(dirname "$log")"
	: >"$log"
	"$@" >>"$log" 2>&1 </dev/null &
	pid=$!
	(
		trap 'exit 0' TERM
		while sleep 10 & wait $!; do
			last=$(tail -c 400 "$log" | tr '\r' '\n' | sed 's/\x1b\[[0-9;]*[A-Za-z]//g' |
				grep -v '^[[:space:]]*$' | tail -n 1 | cut -c -90) || true
			say "[$label] $((SECONDS - start)) s: ${last:-working}"
		done
	) &
	local ticker=$!
	rc=0
	wait "$pid" || rc=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	if [ "$rc" != 0 ]; then
		say "[$label] failed with status $rc after $((SECONDS - start)) s; the end of $log:"
		tail -n 30 "$log" >&2
	fi
	return "$rc"
}
