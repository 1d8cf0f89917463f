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
for cmd in list info acquire run resize revoke policy top monitor doctor host unbind; do
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
for bad in "--priority 256" "--priority -1" "--pid 0"; do
	# shellcheck disable=SC2086
	status 2 "acquire $bad" ctl acquire $bad
	says "names it" "${bad%% *}" "$out"
done
status 2 "resize without a size" ctl resize 1
status 2 "resize to nothing" ctl resize 1 0x0
status 2 "resize --refresh 0" ctl resize --refresh 0 1 640x480
status 2 "info of scanout 0" ctl info 0
status 2 "info of two scanouts" ctl info 1 2
status 2 "policy --grace 601" ctl policy --grace 601
status 2 "policy of nobody" ctl policy --who "no such group"
says "says what it may be" "neither any, admin nor a group" "$out"
status 2 "monitor --count 0" ctl monitor --count 0
status 2 "unbind with a timeout and nothing to wait for" ctl unbind --timeout 1
status 1 "monitor without the module" ctl monitor
says "says so" "is helix_lease.ko loaded" "$out"
status 1 "unbind without the module" ctl unbind

status 0 "info" ctl info
says "tells the scanouts" "scanouts: 3" "$out"
same "info --json" '{"abi_version":5,"nr_gpus":1,"nr_scanouts":3,"host_state":"up"}' "$(ctl info --json)"
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

# all about one, and another size
ctl_bg acquire --scanout 1 --label desk --priority 9 --end-on-close --cgroup >"$dir/held3" &
holder=$!
check "held by a third" wait_for grep -q scanout "$dir/held3"
status 0 "info of a scanout" ctl info 1
says "tells its priority" "priority: 9" "$out"
says "and its label" "label: desk" "$out"
says "and its owner" "owner: pid $holder," "$out"
says "whose control group it is for" ", which alone may open the node" "$out"
same "which list shows, too" "cgroup -" "$(ctl list | awk '$1 < 3 { print $9 }' | xargs)"
check "info --json of a scanout" jq -e '.scanout == 1 and .priority == 9 and .cgroup_alone and .hidden == false' \
	<(ctl info --json 1)
status 1 "info of one there is not" ctl info 4
status 0 "resize" ctl resize --refresh 59.94 1 1024x768
says "says to what" "to 1024x768" "$out"
same "list shows the new size" "1024x768 59.94" "$(ctl list | awk '$1 == 1 { print $4, $5 }')"
status 1 "a stale generation is not resized" ctl resize --generation 1 1 640x480
status 1 "nor a free one" ctl resize 2 640x480
says "which is said to be free" "scanout 2 is free" "$out"
kill -TERM "$holder"
wait "$holder"

# The lease is a process's
sleep 1000 &
other=$!
ctl_bg acquire --scanout 2 --pid "$other" >"$dir/held4" &
holder=$!
check "held for a process" wait_for grep -q scanout "$dir/held4"
kill -KILL "$other"
wait "$other" 2>/dev/null
check "it is free when that has ended" wait_for is_state 2 free
wait "$holder"
same "and helixctl succeeds" 0 "$?"
status 1 "a process that is gone has no lease" ctl acquire --pid "$other"
ctl_bg run --scanout 2 -- sh -c 'echo $$ >"$1"; exec sleep 1000' sh "$dir/pid2" &
holder=$!
check "a command runs" wait_for test -s "$dir/pid2"
kill -STOP "$holder"
kill -KILL "$(cat "$dir/pid2")"
check "its lease ends with it, though helixctl does nothing" wait_for is_state 2 free
kill -CONT "$holder"
wait "$holder"
same "whose status still tells how the command ended" 137 "$?"

# policy
same "policy --json" '{"who":"any","gid":0,"max_per_uid":0,"max_per_cgroup":0,"grace_ms":0}' \
	"$(ctl policy --json)"
status 0 "policy is set" ctl policy --who daemon --per-user 2 --per-cgroup 1 --grace 1.5
same "and shown" "who: group daemon
per user: 2
per cgroup: 1
grace: 1.500 s" "$out"
status 0 "a part of it is set" ctl policy --who any --per-user 0
same "and the rest stays" '{"who":"any","gid":0,"max_per_uid":0,"max_per_cgroup":1,"grace_ms":1500}' \
	"$(ctl policy --json)"

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
