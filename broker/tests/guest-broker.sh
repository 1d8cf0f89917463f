#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The broker in a real guest: run there as root, with helix_lease.ko loaded and
# outputs that come up (a mediator on the host, or host=none with outputs on).
# It starts a broker of its own on a socket of its own, so desktops that run
# meanwhile are left alone; it needs four free scanouts.
#
# HELIXCTL, HELIX_LEASED and SETPRIV name the programs, else those in PATH are used.
# DLM_CLIENT: tests/dlm-client, else that part is left out.
# EXAMPLE: examples/acquire.c, STALL: tests/stall, likewise; the last wants vgem.
# HOTPLUGS: tests/hotplugs, likewise.
# HELIX_ALONE: nobody else uses the GPU, so it may be unbound as well.
# HELIX_INPUTS: so many of its scanouts, the first ones, have three input devices each; likewise.
set -u
. "$(dirname "$0")/tap.sh"
helixctl=${HELIXCTL:-helixctl}
leased=${HELIX_LEASED:-helix-leased}
setpriv=${SETPRIV:-setpriv}
dir=$(mktemp -d)
sock=$dir/leased.sock
control=/dev/helix/lease
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
column_direct() { "$helixctl" --direct list | awk -v n="$1" -v c="$2" '$1 == n { print $c }'; }
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
doctor() { ctl doctor --json; }
finding() { doctor | grep -q "\"id\":\"$1\""; }
[ -z "${HELIX_ALONE:-}" ] || status 0 "the doctor finds nothing" doctor
gpus=$(ctl info | grep ^gpus)

# What happens, as it happens: a file that the tests below look into.
"$helixctl" monitor --json >"$dir/events" 2>"$dir/events.err" &
monitor=$!
pids="$pids $monitor"
event() { grep "\"event\":\"$1\"" "$dir/events" | grep "\"scanout\":$2," | grep -q "${3:-}"; }
states() { grep -c '"event":"state",.*"scanout":' "$1"; }
check "monitor begins with the host" wait_for grep -q '"event":"state","host_state":"up"' "$dir/events"
all_states() { [ "$(states "$dir/events")" -ge "$("$helixctl" --direct list | awk 'NR > 1' | wc -l)" ]; }
check "and with every scanout" wait_for all_states

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
	same "its label is shown" "desk$n" "$(column "$scanout" 15)"
	check "its node is there" test -c "/dev/helix/scanout$scanout"
	check "monitor told of it" wait_for event granted "$scanout" "\"generation\":$generation,\"label\":\"desk$n\""
done
status 1 "a taken one is refused" ctl acquire --scanout "$scanout1"
says "and is said to be taken" "is taken" "$out"

# Another size
status 0 "resize" ctl resize --timeout 60 "$scanout2" 1024x768
same "the list has the new size" 1024x768 "$(column "$scanout2" 4)"
check "monitor told of it" wait_for event resized "$scanout2" '"width":1024,"height":768'
status 1 "a stale generation is not resized" ctl resize --generation $((generation2 + 1000)) "$scanout2" 640x480
status 0 "without a broker as well" "$helixctl" --direct resize --generation "$generation2" --timeout 60 "$scanout2" 800x600
same "by who may" 800x600 "$(column "$scanout2" 4)"
status 1 "but not an ended lease" "$helixctl" --direct resize --generation $((generation2 + 1000)) "$scanout2" 640x480
says "which is said" "is not the present lease" "$out"
status 0 "info of one" ctl info "$scanout1"
says "has its label" "label: desk1" "$out"

# A compositor in a network namespace where udev's messages do not come, with crun in between.
if [ -n "${HOTPLUGS:-}" ]; then
	ctl_bg run --timeout 60 -- sh -c 'echo "has $HELIX_SCANOUT"; "$1"; :' sh "$HOTPLUGS" >"$dir/hotplugs" 2>&1 &
	plugs=$!
	pids="$pids $plugs"
	check "a tenant listens to udev" wait_for grep -q listens "$dir/hotplugs"
	scanout=$(awk '/^has/ { print $2 }' "$dir/hotplugs")
	lines() { wc -l <"$dir/hotplugs"; }
	hears() { [ "$(lines)" -gt "$1" ]; }
	n=$(lines)
	status 0 "it is resized" ctl resize --timeout 60 "$scanout" 1024x768
	check "it hears of it" wait_for hears "$n"
	is_told() { tail -n 1 "$dir/hotplugs" | grep -qE "^card[0-9]+ $(cat "/sys/class/helix/helix!scanout$scanout/dev") hotplug 1\$"; }
	check "as of its own node" is_told
	kill_broker
	n=$(lines)
	status 0 "it is resized while there is no broker" "$helixctl" --direct resize --generation "$(column_direct "$scanout" 6)" --timeout 60 "$scanout" 800x600
	start_broker
	check "and hears of it from the next one" wait_for hears "$n"
	kill -KILL "$(awk '/^listens/ { print $2 }' "$dir/hotplugs")"
	wait "$plugs"
	check "its scanout is given back" wait_for is_state "$scanout" free
fi

# The broker is killed and started again.
table >"$dir/table.before"
kill_broker
check "the leases stay while there is no broker" sh -c 'echo "$2" | diff "$1" -' sh "$dir/table.before" "$(table)"
status 1 "nobody answers meanwhile" ctl list
check "the doctor finds that, and asks the module" finding broker-not-running
says "which has an answer" '"complete":true' "$(doctor)"
status 0 "top asks it as well" "$helixctl" --direct top --once --json
says "and tells of flips" '"flips":' "$out"
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
check "monitor told who did it" wait_for event revoking "$scanout1" '"cause":"admin"'
check "and that it is free" wait_for event freed "$scanout1"
in_log() { grep -q "$1" "$dir/log"; }
check "the broker wrote down what happened" wait_for in_log "scanout $scanout1 generation $generation1 .* was revoked by an administrator"
status 1 "to revoke it again is refused" ctl revoke --generation "$generation1" "$scanout1"
check "the others are as before" sh -c '[ "$1$2" = leasedleased ]' sh "$(column "$scanout2" 2)" "$(column "$scanout3" 2)"

# Owners that die.
kill -KILL "$holder2"
check "a killed owner's scanout is free" wait_for is_state "$scanout2" free
check "which was not an administrator" wait_for event freed "$scanout2" '"cause":"owner"'
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

# A command's lease is the command's.
ctl_bg run --scanout "$scanout1" --timeout 60 -- sh -c 'echo $$ >"$1"; exec sleep 1000' sh "$dir/command" &
holder=$!
pids="$pids $holder"
check "a command runs" wait_for grep -q . "$dir/command"
kill -STOP "$holder"
kill -KILL "$(cat "$dir/command")"
check "its scanout is free when it is killed, helixctl being stopped" wait_for is_state "$scanout1" free
check "because the process ended" wait_for event freed "$scanout1" '"cause":"process"'
kill -CONT "$holder"
wait "$holder"
same "helixctl knows how it ended" 137 "$?"

# AGL's interface: pictures on its descriptor, by a program that knows nothing else
if [ -n "${DLM_CLIENT:-}" ]; then
	dlm() { DLM_RUNTIME_PATH=$dir HELIX_DLM_SIZE=800x600 "$DLM_CLIENT" "$@" 2>&1; }
	shown="lease open
connectors 1 crtcs 1
shown 800x600, 5 flips
fd closed
none -1"
	same "libdlmclient: any scanout" "$shown" "$(dlm helix-any kms)"
	check "it is given back" wait_for count_is $((before + 1))
	flips() { cat "/sys/class/helix/helix!scanout$scanout1/flips"; }
	flips=$(flips)
	same "one by its number" "$shown" "$(dlm "helix-$scanout1" kms)"
	check "the module counted the mode and five flips" test "$(flips)" -ge $((flips + 6))
	check "it was that one" event freed "$scanout1" '"label":"libdlmclient"'
	wait_for is_state "$scanout1" free
	id=$(ctl info --json "$scanout1" | sed 's/.*"connector_id":\([0-9]*\).*/\1/')
	gpu=$(ctl info --json "$scanout1" | sed 's/.*"gpu":"\([^"]*\)".*/\1/')
	for c in /sys/class/drm/card*-*; do
		case $(readlink -f "$c") in
		*":$gpu/"*) [ "$(cat "$c/connector_id")" != "$id" ] || connector=${c##*/} ;;
		esac
	done
	same "one by its connector's name" "$shown" "$(dlm "${connector:-none}" kms)"
	wait_for is_state "$scanout1" free
	same "one as other hardware would have it" "$shown" "$(dlm "card0-HDMI-A-$scanout1" kms)"
	wait_for is_state "$scanout1" free
	says "a taken one is refused as there" "lease: EACCES" "$(dlm "helix-$scanout3")"
fi

# The example hears of its lease from the handle, to the end and after the hang-up.
if [ -n "${EXAMPLE:-}" ]; then
	"$EXAMPLE" "$sock" 60 >"$dir/example" 2>&1 &
	example=$!
	pids="$pids $example"
	check "the example has a scanout" wait_for grep -q "^granted, now leased" "$dir/example"
	scanout=$(sed -n 's/^scanout \([0-9]*\):.*/\1/p' "$dir/example")
	status 0 "which is revoked" ctl revoke --timeout 60 "$scanout"
	wait "$example"
	same "and it succeeds" 0 "$?"
	same "having heard of it all" "scanout granted revoking revoked freed released" "$(sed 's/[ ,].*//' "$dir/example" | tr '\n' ' ' | sed 's/ $//')"
fi

# A tenant that hangs: on what, the module's stall watch knows.
if [ -n "${STALL:-}" ]; then
	"$STALL" "$sock" >"$dir/stuck" 2>"$dir/stuck.err" &
	stuck=$!
	pids="$pids $stuck"
	check "a tenant that waits for a fence" wait_for grep -q scanout "$dir/stuck"
	scanout=$(awk '{ print $2 }' "$dir/stuck")
	generation=$(awk '{ print $4 }' "$dir/stuck")
	check "the monitor tells that it is stalled" wait_for event stalled "$scanout" '"wait_for":"fence"'
	stuck_on() { doctor | grep '"id":"scanout-stalled"' | grep -q "scanout $scanout of pid $stuck, .*stuck.* for fence (vgem"; }
	check "the doctor says who, and on what" wait_for stuck_on
	top_says() { ctl top --once | grep -q "^ *$scanout stalled .*$stuck .* fence"; }
	check "top does as well" wait_for top_says
	check "nobody else waits" is_state "$scanout3" leased
	status 0 "what the doctor says to do" ctl revoke --timeout 60 -g "$generation" "$scanout"
	kill -KILL "$stuck"
	wait "$stuck" 2>/dev/null
	check "gives the scanout back" wait_for is_state "$scanout" free
fi

# monitor in scripts
status 0 "a monitor whose time is up" "$helixctl" monitor --timeout 0.3
status 1 "a monitor that cannot write" sh -c '"$0" monitor >/dev/full' "$helixctl"
"$helixctl" monitor --count 2 --timeout 60 >"$dir/two" &
monitor2=$!
pids="$pids $monitor2"
wait_for grep -q "^state scanout" "$dir/two"
ctl run --timeout 60 -- true
wait "$monitor2"
same "a monitor that has seen enough" 0 "$?"
same "told two events" 2 "$(grep -cv '^state' "$dir/two")"

# One that does not read loses events, is told so, and knows the state of things again.
if echo 2304 >/proc/sys/net/core/rmem_default 2>/dev/null; then
	"$helixctl" monitor --json >"$dir/slow" &
	slow=$!
	pids="$pids $slow"
	wait_for grep -q '"event":"state",.*"scanout":1,' "$dir/slow"
	echo 212992 >/proc/sys/net/core/rmem_default
	kill -STOP "$slow"
	for n in 1 2 3 4; do ctl run --timeout 60 -- true; done
	wait_for is_state "$scanout1" free
	hold desk4 --scanout "$scanout1"
	slow_holder=$holder
	kill -CONT "$slow"
	check "a monitor that was too slow says so" wait_for grep -q '"event":"lost"' "$dir/slow"
	last_of() { grep "\"scanout\":$1," "$dir/slow" | tail -n 1; }
	last_says() { last_of "$1" | grep -q "\"state\":\"$2\",\"generation\":$3,"; }
	check "and then tells the present state" wait_for last_says "$scanout1" leased "$generation"
	kill -TERM "$slow_holder"
	wait "$slow_holder"
	check "and goes on" wait_for last_says "$scanout1" free "$generation"
	kill -TERM "$slow"
	wait "$slow"
	same "until it is ended" 0 "$?"
fi

# Users
kill_broker
start_broker --quota 1
same "the quota is the module's" "per user: 1" "$("$helixctl" --direct policy | grep 'per user')"
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
	as_nobody "$helixctl" --socket "$sock" list >"$dir/list"
	same "a user sees its own" "leased 65534" "$(awk -v n="$scanout" '$1 == n { print $2, $8 ~ /nobody|65534/ ? 65534 : $8 }' "$dir/list")"
	same "and of others that it is taken" "leased - - - -" "$(awk -v n="$scanout3" '$1 == n { print $2, $4, $6, $7, $8 }' "$dir/list")"
	check "no label of others" sh -c '! grep -q desk "$1"' sh "$dir/list"
	status 1 "a user cannot resize root's" as_nobody "$helixctl" --socket "$sock" resize --generation "$generation3" "$scanout3" 640x480
	status 0 "but its own" as_nobody "$helixctl" --socket "$sock" resize --timeout 60 "$scanout" 640x480
	status 1 "a user does not set the policy" as_nobody "$helixctl" --socket "$sock" policy --per-user 9
	status 0 "but may read it" as_nobody "$helixctl" --socket "$sock" policy
	status 1 "a user does not listen" as_nobody "$helixctl" monitor
	status 1 "a user has no priority above the others'" as_nobody "$helixctl" --socket "$sock" acquire --priority 200
	says "which is said" "only root may have" "$out"
	chmod 666 "$control"
	check "the doctor finds a control node for everybody" finding node-permissions
	status 1 "the quota binds those who ask the module, too" as_nobody "$helixctl" --direct acquire
	says "which is said" "has as many scanouts as it may" "$out"
	chmod 600 "$control"
	opens() { as_nobody sh -c ': <>"$1"' sh "$1" 2>&1; }
	# Not that it leads to nothing: who had it is kept out, whatever it leads to.
	is_refused() { opens "$1" | grep -q "ermission denied"; }
	status 0 "who may open its node" opens "/dev/helix/scanout$scanout"
	status 0 "a user revokes its own" as_nobody "$helixctl" --socket "$sock" revoke --timeout 60 "$scanout"
	check "and may open its node no more" wait_for is_refused "/dev/helix/scanout$scanout"
else
	echo "# no way to be another user here"
fi
ctl policy --per-user 0 >/dev/null
kill -TERM "$holder3"
wait "$holder3"
check "in the end all is as it was" wait_for count_is "$before"

kill -TERM "$monitor"
wait "$monitor"
same "a monitor that is ended succeeds" 0 "$?"
same "and had nothing to complain of" "" "$(cat "$dir/events.err")"

# Input devices of leases that were bound to no control group: nobody knows who has them open.
hands()
{
	for e in /sys/class/input/input*/event*; do
		read -r serial <"${e%/*}/uniq" 2>/dev/null && read -r number <"$e/dev" 2>/dev/null || continue
		case $serial in helix-*) echo "${e##*/} $number $serial" ;; esac
	done | sort
}
if [ -n "${HELIX_INPUTS:-}" ]; then
	most=$HELIX_INPUTS
	holders=''
	for n in $(seq "$most"); do
		ctl_bg acquire --scanout "$n" --timeout 60 >"$dir/held-$n" 2>&1 &
		holders="$holders $!"
	done
	pids="$pids $holders"
	# Who is told of his lease has his devices: none is being made new any more.
	check "$most scanouts with input devices are leased" wait_for count_is "$most"
	served() { [ "$(cat "$dir"/held-* | grep -c ^scanout)" -eq "$most" ]; }
	check "and their owners are told" wait_for served
	hands >"$dir/hands"
	same "of their devices, too" $((3 * most)) "$(wc -l <"$dir/hands")"
	while read -r e _; do
		cat "/dev/input/$e" >/dev/null 2>>"$dir/ears" &
		pids="$pids $!"
	done <"$dir/hands"
	all=$(wc -l <"$dir/hands")
	# shellcheck disable=SC2010 # names of links
	listen() { [ "$(ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c -- '-> /dev/input/event')" -ge "$all" ]; }
	check "somebody has all of them open" wait_for listen
	news() { grep -c "its input devices are new" "$dir/log"; }
	old=$(news)
	# shellcheck disable=SC2086 # a list
	kill -KILL $holders
	dead() { [ "$(grep -c "No such device" "$dir/ears")" -eq "$all" ]; }
	check "they end at once: who has them open hears nothing more" wait_for dead
	are_new() { [ "$(news)" -ge $((old + most)) ]; }
	check "they are new" wait_for are_new
	same "and have the numbers of before" "$(cat "$dir/hands")" "$(hands)"
	grep "its input devices are new" "$dir/log" | tail -n "$most" | sed 's/^<[0-9]>/# /'
	check "each scanout is free" wait_for count_is 0
fi

# Without the GPU, where that disturbs nobody.
if [ -n "${HELIX_ALONE:-}" ]; then
	hold last
	if as_nobody true; then
		as_nobody "$helixctl" --socket "$sock" acquire --timeout 60 >"$dir/bound" 2>&1 &
		pids="$pids $!"
		wait_for grep -q . "$dir/bound"
		: >"$dir/elsewhere"
		mount -o bind "/dev/helix/scanout$(awk '/^scanout/ { print $2 }' "$dir/bound")" "$dir/elsewhere"
		status 0 "a user has bound its node elsewhere" opens "$dir/elsewhere"
	fi
	status 1 "unbind is refused while there is a lease" "$helixctl" unbind
	says "and says so" "a scanout is in use" "$out"
	check "the lease stays" is_state "$scanout" leased
	status 0 "unbind by force" "$helixctl" unbind --force --timeout 60
	[ "$got" = 0 ] || kill -TERM "$holder"
	wait "$holder"
	same "its owner is told" 1 "$?"
	if as_nobody true; then
		check "no user may open a node that has gone, nor by what he has bound elsewhere" wait_for is_refused "$dir/elsewhere"
		umount "$dir/elsewhere"
	fi
	status 0 "the broker still answers" ctl info
	says "without a GPU" "gpus: 0" "$out"
	check "the doctor finds that" finding no-gpu-bound
	same "and lists nothing" 1 "$(ctl list | wc -l)"
	status 1 "nobody gets a scanout" ctl acquire
	says "and is told why" "no GPU is bound" "$out"
	kill_broker
	start_broker --card /dev/dri/card0
	same "a broker binds the card it is told to" "gpus: 1" "$(ctl info | grep ^gpus)"
	kill_broker
	start_broker
	same "another one the rest" "$gpus" "$(ctl info | grep ^gpus)"
	status 0 "it can be acquired again" ctl run --timeout 60 -- true
	check "and is given back" wait_for count_is 0
	status 0 "unbind of what is free" "$helixctl" unbind
fi

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
