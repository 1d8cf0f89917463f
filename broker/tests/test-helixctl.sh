#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# helixctl against the server with a stand-in for the module (fake-broker): what
# it prints, its exit statuses, and what becomes of a lease when something dies.
# usage: test-helixctl.sh HELIXCTL FAKE_BROKER
set -u
. "$(dirname "$0")/tap.sh"
helixctl=$1 broker=$2
dir=$(mktemp -d)
sock=$dir/leased.sock
pids=()
cleanup()
{
	kill -KILL "${pids[@]}" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

ctl() { "$helixctl" --socket "$sock" "$@"; }
# With &, so that $! is helixctl and not a shell around it.
ctl_bg() { exec "$helixctl" --socket "$sock" "$@"; }
# status EXPECTED NAME ARGUMENT...
status()
{
	local want=$1 name=$2
	shift 2
	out=$("$@" 2>&1)
	same "$name" "$want" "$?"
}
state_of() { ctl list | awk -v n="$1" '$1 == n { print $2 }'; }
is_state() { [ "$(state_of "$1")" = "$2" ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }

status 1 "list without a broker fails" ctl list
says "and says so" "is helix-leased running?" "$out"

"$broker" "$sock" 3 >"$dir/broker.out" 2>"$dir/broker.err" &
pids+=($!)
check "the broker serves" wait_for grep -q serving "$dir/broker.out"

status 0 "--help succeeds" "$helixctl" --help
for cmd in list info acquire run revoke; do
	status 0 "$cmd --help succeeds" ctl "$cmd" --help
	says "$cmd --help is about it" "usage: helixctl $cmd" "$out"
done
status 2 "no command" ctl
status 2 "an unknown command" ctl frobnicate
status 2 "an unknown option" ctl list --frobnicate
status 2 "too many arguments" ctl list x
for bad in "--size 0x1" "--size 1280" "--refresh 0" "--refresh sixty" "--scanout 0" \
	   "--timeout 121" "--timeout -1" "--label 01234567890123456789012345678901"; do
	# shellcheck disable=SC2086
	status 2 "acquire $bad" ctl acquire $bad
	says "names it" "${bad%% *}" "$(echo "$out" | sed 's/label has/--label/')"
done
status 2 "run without a command" ctl run --size 1x1
status 2 "revoke without a scanout" ctl revoke
status 2 "revoke of scanout 0" ctl revoke 0

status 0 "info" ctl info
says "tells the scanouts" "scanouts: 3" "$out"
same "info --json" '{"abi_version":1,"nr_gpus":1,"nr_scanouts":3,"host_state":"up"}' "$(ctl info --json)"
same "list has a line for each scanout" 4 "$(ctl list | wc -l)"
check "list --json is an array of three" jq -e 'length == 3 and all(.state == "free")' \
	<(ctl list --json)

# run: environment, descriptors, status
env=$(ctl run --size 800x600 --label "a desk" -- env | grep ^HELIX_ | sort)
same "run sets its environment" "HELIX_CONNECTOR_ID=31
HELIX_CRTC_ID=61
HELIX_GENERATION=1
HELIX_HEIGHT=600
HELIX_NODE=/dev/helix/scanout1
HELIX_SCANOUT=1
HELIX_WIDTH=800" "$env"
same "the command inherits no descriptor" "$(sh -c 'echo /proc/self/fd/*')" \
	"$(ctl run -- sh -c 'echo /proc/self/fd/*')"
says "--pass-fd passes an open one" "/dev/null" \
	"$(ctl run --pass-fd -- sh -c 'readlink /proc/self/fd/$HELIX_LEASE_FD')"
status 0 "run: success" ctl run -- true
status 7 "run: the command's status" ctl run -- sh -c 'exit 7'
status 137 "run: the command's signal" ctl run -- sh -c 'kill -KILL $$'
status 127 "run: no such command" ctl run -- /nonexistent/x
status 126 "run: not executable" ctl run -- /etc/passwd
check "and every lease is back" wait_for is_state 1 free

# held
ctl_bg acquire --scanout 2 --size 1920x1080 --json >"$dir/held" &
holder=$!
pids+=("$holder")
check "acquire prints its lease" wait_for jq -e '.scanout == 2 and .width == 1920' "$dir/held"
same "list shows it" leased "$(state_of 2)"
status 1 "nobody else gets it" ctl acquire --scanout 2
says "and is told" "scanout 2 is taken" "$out"
status 125 "nor a run" ctl run --scanout 2 -- true
status 1 "a stale generation revokes nothing" ctl revoke --generation 1 2
same "it is still leased" leased "$(state_of 2)"
status 1 "a free one cannot be revoked" ctl revoke 3
says "and is said to be free" "scanout 3 is free" "$out"
kill -KILL "$holder"
check "a killed holder frees it" wait_for is_state 2 free

# Another file: what the last holder printed would do for this one.
ctl_bg acquire --scanout 2 >"$dir/held2" &
holder=$!
check "held by another" wait_for grep -q scanout "$dir/held2"
kill -TERM "$holder"
wait "$holder"
same "a holder that is ended succeeds" 0 "$?"

# revoked under its owner
ctl_bg acquire --scanout 3 >/dev/null 2>"$dir/err" &
holder=$!
check "held again" wait_for is_state 3 leased
status 0 "revoke" ctl revoke 3
wait "$holder"
same "its holder fails" 1 "$?"
says "and says why" "scanout 3 was revoked" "$(cat "$dir/err")"
ctl_bg run --scanout 3 -- sleep 1000 2>/dev/null &
holder=$!
check "a command runs on it" wait_for is_state 3 leased
ctl revoke 3 >/dev/null
wait "$holder"
same "the command of a revoked lease is ended" 143 "$?"

# signals
cat >"$dir/trap" <<'X'
trap 'echo term >>"$0.got"; exit 5' TERM
trap 'echo usr1 >>"$0.got"' USR1
: >"$0.got"
while :; do sleep 0.05; done
X
ctl_bg run --scanout 1 -- sh "$dir/trap" &
holder=$!
check "the command waits for signals" wait_for test -e "$dir/trap.got"
kill -USR1 "$holder"
check "SIGUSR1 is passed on" wait_for grep -q usr1 "$dir/trap.got"
kill -TERM "$holder"
wait "$holder"
same "and SIGTERM, whose status comes back" 5 "$?"
ctl_bg run --scanout 1 -- sh -c 'echo $$ >"$1"; exec sleep 1000' sh "$dir/pid" &
holder=$!
wait_for test -s "$dir/pid"
kill -KILL "$holder"
check "a command whose helixctl is killed is told" wait_for gone "$(cat "$dir/pid")"
check "and its scanout is free" wait_for is_state 1 free

# all taken
for n in 1 2 3; do
	ctl_bg acquire >/dev/null &
	pids+=($!)
	wait_for is_state "$n" leased
done
status 1 "the one after the last is refused" ctl acquire
says "and told why" "every scanout is taken" "$out"
tap_done
