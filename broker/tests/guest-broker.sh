#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The broker in a real guest: run there as root, with helix_lease.ko loaded and
# outputs that come up (a mediator on the host, or host=none with outputs on).
# It starts a broker of its own on a socket of its own, so desktops that run
# meanwhile are left alone; it needs four free scanouts.
#
# HELIXCTL, HELIX_LEASED and SETPRIV name the programs, else those in PATH are used.
set -u
. "$(dirname "$0")/tap.sh"
helixctl=${HELIXCTL:-helixctl}
leased=${HELIX_LEASED:-helix-leased}
setpriv=${SETPRIV:-setpriv}
dir=$(mktemp -d)
sock=$dir/leased.sock
chmod 755 "$dir"
pids=
cleanup()
{
	for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
	rm -rf "$dir"
}
trap cleanup EXIT

ctl() { "$helixctl" --socket "$sock" "$@"; }
# With &, so that $! is helixctl and not a shell around it.
ctl_bg() { exec "$helixctl" --socket "$sock" "$@"; }
# status EXPECTED NAME COMMAND...
status()
{
	want=$1 name=$2
	shift 2
	out=$("$@" 2>&1)
	got=$?
	if [ "$got" = "$want" ]; then tap_ok "$name"; else tap_not_ok "$name" "status $got: $out"; fi
}
start_broker()
{
	"$leased" --socket "$sock" --wait 30 "$@" >>"$dir/log" 2>&1 &
	broker=$!
	pids="$pids $broker"
	wait_for answers
}
answers() { ctl info; }
kill_broker()
{
	kill -KILL "$broker"
	wait "$broker" 2>/dev/null
}
# Columns of the table that the life of a lease does not change: scanout, state,
# generation, pid. The opens and the time in a state do change.
table() { "$helixctl" --direct list | awk 'NR > 1 { print $1, $2, $6, $7 }'; }
by_broker() { ctl list | awk 'NR > 1 { print $1, $2, $6, $7 }'; }
column() { ctl list | awk -v n="$1" -v c="$2" '$1 == n { print $c }'; }
is_state() { [ "$(column "$1" 2)" = "$2" ]; }
leased_now() { "$helixctl" --direct list | awk '$2 == "leased" || $2 == "enabling"' | wc -l; }
settled() { ! "$helixctl" --direct list | grep -qE ' (enabling|revoking|quiescing) '; }
count_is() { settled && [ "$(leased_now)" -eq "$1" ]; }
# hold NAME: sets holder, and scanout and generation as it printed them.
hold()
{
	held=$1
	shift
	ctl_bg acquire --label "$held" --timeout 60 "$@" >"$dir/$held" 2>"$dir/$held.err" &
	holder=$!
	pids="$pids $holder"
	wait_for grep -q . "$dir/$held" "$dir/$held.err"
	scanout=$(awk '{ print $2 }' "$dir/$held")
	generation=$(awk '{ print $4 }' "$dir/$held")
	[ -n "$scanout" ]
}
if "$setpriv" --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
	as_nobody() { "$setpriv" --reuid 65534 --regid 65534 --clear-groups "$@"; }
elif chpst -u :65534:65534 true 2>/dev/null; then
	as_nobody() { chpst -u :65534:65534 "$@"; }
else
	as_nobody() { return 99; }
fi

# Not inside check, which runs what it checks in a shell of its own.
start_broker
check "the broker starts and binds the GPU" answers
[ "$tap_failed" -eq 0 ] || { sed 's/^/# /' "$dir/log"; tap_done; exit 1; }
ctl info | sed 's/^/# /'
check "there are scanouts" sh -c '[ "$1" -ge 4 ]' sh "$(ctl info | awk '/^scanouts/ { print $2 }')"
before=$(leased_now)

holder1='' holder2='' holder3='' scanout1='' scanout2='' scanout3='' generation1='' generation2=''
# Three leases, each owned by who asked and not by the broker.
for n in 1 2 3; do
	if hold "desk$n" --size 1280x720; then
		tap_ok "desk$n has a scanout"
	else
		tap_not_ok "desk$n has a scanout" "$(cat "$dir/desk$n.err")"
	fi
	eval "holder$n=$holder scanout$n=$scanout generation$n=$generation"
	same "its state is leased" leased "$(column "$scanout" 2)"
	same "its owner is the process that asked" "$holder" "$(column "$scanout" 7)"
	same "its label is shown" "desk$n" "$(column "$scanout" 14)"
	check "its node is there" test -c "/dev/helix/scanout$scanout"
done
status 1 "a taken one is refused" ctl acquire --scanout "$scanout1"
says "and is said to be taken" "is taken" "$out"

# The broker is killed and started again.
table >"$dir/table.before"
kill_broker
check "the leases stay while there is no broker" sh -c 'echo "$2" | diff "$1" -' sh "$dir/table.before" "$(table)"
status 1 "nobody answers meanwhile" ctl list
start_broker
check "a new broker starts on the stale socket" answers
check "it lists every lease" sh -c 'echo "$2" | diff "$1" -' sh "$dir/table.before" "$(by_broker)"
check "their owners noticed nothing" kill -0 "$holder1" "$holder2" "$holder3"

# Revocation, by the broker that did not grant.
status 1 "a stale generation is refused" ctl revoke --generation $((generation1 + 1000)) "$scanout1"
check "and nothing happened" is_state "$scanout1" leased
status 0 "revoke" ctl revoke --generation "$generation1" --timeout 60 "$scanout1"
wait "$holder1"
same "its owner is told" 1 "$?"
check "the scanout is free" wait_for is_state "$scanout1" free
status 1 "to revoke it again is refused" ctl revoke --generation "$generation1" "$scanout1"
check "the others are as before" sh -c '[ "$1$2" = leasedleased ]' sh "$(column "$scanout2" 2)" "$(column "$scanout3" 2)"

# Owners that die.
kill -KILL "$holder2"
check "a killed owner's scanout is free" wait_for is_state "$scanout2" free
hold again --scanout "$scanout2"
check "it can be had again" is_state "$scanout2" leased
check "with a later generation" test "$generation" -gt "$generation2"
kill -TERM "$holder"
wait "$holder"
same "an owner that lets go succeeds" 0 "$?"

# Clients and brokers that die in the middle. Whoever won, nothing may be left.
for n in 1 2 3 4 5; do
	ctl_bg acquire >/dev/null 2>&1 &
	holder=$!
	sleep "0.0$n"
	kill -KILL "$holder"
done
check "clients killed while they wait leave no lease" wait_for count_is $((before + 1))
for n in 1 2 3; do
	ctl_bg acquire >/dev/null 2>&1 &
	holder=$!
	sleep "0.0$n"
	kill_broker
	start_broker
	kill -KILL "$holder" 2>/dev/null
done
check "nor does a broker killed while one waits" wait_for count_is $((before + 1))

# run
status 0 "run gives the command its node" ctl run --timeout 60 -- sh -c '[ -c "$HELIX_NODE" ] && : <>"$HELIX_NODE"'
status 9 "and its status comes back" ctl run --timeout 60 -- sh -c 'exit 9'
check "its lease is gone" wait_for count_is $((before + 1))

# Users
kill_broker
start_broker --quota 1
chmod 666 "$sock"
if as_nobody true; then
	status 1 "a user cannot revoke root's" as_nobody "$helixctl" --socket "$sock" revoke "$scanout3"
	says "and is told that it is not his" "is another user's" "$out"
	as_nobody "$helixctl" --socket "$sock" acquire --timeout 60 >"$dir/user" 2>&1 &
	pids="$pids $!"
	wait_for grep -q . "$dir/user"
	scanout=$(awk '/^scanout/ { print $2 }' "$dir/user")
	check "a user gets a scanout" test -n "$scanout"
	status 1 "and no second one over its quota" as_nobody "$helixctl" --socket "$sock" acquire
	says "which is said" "has as many scanouts as it may" "$out"
	status 0 "a user revokes its own" as_nobody "$helixctl" --socket "$sock" revoke --timeout 60 "$scanout"
else
	echo "# no way to be another user here"
fi
ctl policy --per-user 0 >/dev/null
kill -TERM "$holder3"
wait "$holder3"
check "in the end all is as it was" wait_for count_is "$before"

# The system's own broker, where there is one.
if main=$(systemctl show -P MainPID helix-leased.service 2>/dev/null) && [ "${main:-0}" -gt 0 ]; then
	sock=/run/helix/leased.sock
	check "the system's broker answers" ctl info
	table >"$dir/table.before"
	kill -KILL "$main"
	other() { now=$(systemctl show -P MainPID helix-leased.service); [ "$now" -gt 0 ] && [ "$now" != "$main" ]; }
	check "killed, it is started again" wait_for other
	check "and answers" wait_for ctl info
	check "and lists every lease" sh -c 'echo "$2" | diff "$1" -' sh "$dir/table.before" "$(by_broker)"
fi
tap_done
