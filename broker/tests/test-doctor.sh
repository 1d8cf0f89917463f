#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# helixctl doctor and top: a tree in the place of /sys, /dev and /proc, and fake-broker
# for what the module tells. Each finding is provoked by the one thing that is wrong.
# usage: test-doctor.sh HELIXCTL FAKE_BROKER
set -u
. "$(dirname "$0")/tap.sh"
helixctl=$1 broker=$2
dir=$(mktemp -d)
root=$dir/root
sock=$dir/leased.sock
pids=()
cleanup()
{
	kill -KILL "${pids[@]}" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

# healthy: a tree in which nothing is wrong, with three scanouts.
healthy()
{
	rm -rf "$root"
	mkdir -p "$root"/sys/{module/helix_lease/parameters,bus/virtio/drivers/virtio_gpu/virtio1} \
		"$root"/sys/bus/pci/devices/0000:00:0{2,3}.0 "$root"/dev/helix "$root"/proc/sys/kernel \
		"$root"/usr/lib/udev/rules.d "$root"/run/udev "$root"/lib/modules/6.12.1-test/updates/dkms
	echo Y >"$root/sys/module/helix_lease/parameters/host"
	echo 6.12.1-test >"$root/proc/sys/kernel/osrelease"
	: >"$root/lib/modules/6.12.1-test/updates/dkms/helix_lease.ko.xz"
	: >"$root/usr/lib/udev/rules.d/60-helix-lease.rules"
	: >"$root/run/udev/control"
	pci 02 0x1af4 0x1050
	pci 03 0x1234 0x4858
	for n in lease scanout1 scanout2 scanout3; do
		: >"$root/dev/helix/$n"
		chmod 600 "$root/dev/helix/$n"
	done
}
pci() { echo "$2" >"$root/sys/bus/pci/devices/0000:00:$1.0/vendor"; echo "$3" >"$root/sys/bus/pci/devices/0000:00:$1.0/device"; }
# serve SCANOUTS [TROUBLE]...
serve()
{
	[ -z "${served:-}" ] || { kill -KILL "$served"; wait "$served"; } 2>/dev/null
	rm -f "$sock" "$dir/out"
	"$broker" "$sock" "$@" >"$dir/out" 2>&1 &
	served=$!
	pids+=("$served")
	wait_for grep -q serving "$dir/out"
}
doctor() { "$helixctl" --socket "$sock" doctor --root "$root" "$@"; }
ids() { jq -r '[.findings[].id] | join(" ")' <<<"$1"; }
# finds NAME "ID..." PART: status 1, these findings and no others, said so.
finds()
{
	local out status
	out=$(doctor --json)
	status=$?
	same "$1" "1 $2" "$status $(ids "$out")"
	says "  and says so" "$3" "$out"
}

healthy
serve 3
out=$(doctor)
same "where nothing is wrong it succeeds" 0 "$?"
same "and says so" "all is well: 1 GPUs, 3 scanouts, host up" "$out"
same "--json as well" '{"complete":true,"findings":[]}' "$(doctor --json)"

# The machine
echo 5.15.0 >"$root/proc/sys/kernel/osrelease"
finds "an old kernel" "kernel-too-old" "Linux 5.15.0 is too old"
healthy
serve 0
rmdir "$root"/sys/bus/virtio/drivers/virtio_gpu/virtio1
finds "no GPU" "no-gpu" "no virtio-gpu is driven"
healthy
finds "a GPU that is not bound" "no-gpu-bound" "0 of 1 virtio-gpus are bound"
mkdir -p "$root/sys/kernel/debug/dri/0"
printf '%20s %5s %3s master a %5s %10s\n' command tgid dev uid magic >"$root/sys/kernel/debug/dri/0/clients"
printf '%20s %5d %3d   %c    %c %5d %10u\n' systemd-logind 401 0 n y 0 0 Xorg 812 0 y y 0 0 >>"$root/sys/kernel/debug/dri/0/clients"
finds "because somebody else is its master" "no-gpu-bound" "the master of a card is Xorg (pid 812)"
healthy
serve 3
mkdir "$root"/sys/bus/virtio/drivers/virtio_gpu/virtio4
finds "one of two GPUs" "gpu-not-bound" "1 of 2 virtio-gpus"

# The module
healthy
kill -KILL "$served"; wait "$served" 2>/dev/null; served=
rm -r "$root/sys/module" "$root/dev/helix" "$sock"
finds "no module" "module-not-loaded broker-not-running" "modprobe helix_lease"
rm -r "$root/lib/modules"
finds "none for this kernel" "module-not-loaded broker-not-running" "there is none for this kernel"
healthy
rm "$root/dev/helix/lease"
finds "no control node" "node-missing broker-not-running" "there is no /dev/helix/lease"
healthy
finds "a node that is none" "module-not-answering broker-not-running" "the module cannot be asked"

# Permissions and udev
serve 3
chmod 666 "$root/dev/helix/lease"
finds "a control node for everybody" "node-permissions" "has mode 0666"
healthy
chmod 602 "$root/dev/helix/scanout2"
finds "a scanout for everybody" "scanout-node-permissions" "everybody may draw on scanout 2"
healthy
rm "$root/dev/helix/scanout3"
finds "no node of a scanout" "scanout-node-missing" "no container can be given scanout 3"
ln -s /dev/null "$root/dev/helix/scanout3"
finds "another device in its place" "scanout-node-wrong scanout-node-permissions" "is device 1:3, and scanout 3 is 0:0"
healthy
rm "$root/usr/lib/udev/rules.d/60-helix-lease.rules"
finds "no udev rules" "udev-rules-missing" "nothing starts the broker"
rm "$root/run/udev/control"
check "which are not missed where there is no udev" doctor

# The host
healthy
serve 3 host-down
finds "no daemon on the host" "host-down" "systemctl status helix-exportd"
serve 3 host-none
finds "a control device that is not driven" "control-device-unused" "MSI-X"
rm -r "$root/sys/bus/pci/devices/0000:00:03.0"
finds "no control device" "no-control-device" "add -device helix-control"
echo N >"$root/sys/module/helix_lease/parameters/host"
check "which is not missed where that is meant" doctor

# Scanouts
healthy
serve 3 stalled=2
finds "a stalled scanout" "scanout-stalled" "it has waited 90.0 s for fence (vgem unbound)"
says "whose, and what to do" "helixctl revoke -g 1 2" "$(doctor)"
same "and which, for programs" 2 "$(doctor --json | jq '.findings[0].scanout')"
serve 3 quarantined=3
finds "a quarantined one" "scanout-quarantined" "it has waited 90.0 s for host (OUTPUT_DISABLE)"
serve 3 quiescing=1
finds "one that does not get on" "scanout-stuck" "has been quiescing for 90 s"
serve 3 stalled=1 quarantined=2 host-down
finds "several things at once" "host-down scanout-stalled scanout-quarantined" "nobody on the host"

# Input
healthy
serve 3
mkdir -p "$root/run/helix/input"
printf 'generation 7\ndue 0\n' >"$root/run/helix/input/1"
check "input that is nobody's is no finding" doctor
printf 'generation 7\ndue 0\nfault cannot take virtio7 from its driver: Read-only file system\n' >"$root/run/helix/input/2"
finds "input that is the last tenant's still" "input-heard" "for who has it: cannot take virtio7 from its driver: Read-only file system"
same "of which scanout" 2 "$(doctor --json | jq '.findings[0].scanout')"
rm -r "$root/run/helix"

# The broker
kill -KILL "$served"; wait "$served" 2>/dev/null; served=
rm "$sock"
socat "UNIX-LISTEN:$sock,type=5,fork" 'SYSTEM:echo nonsense; cat' 2>/dev/null &
pids+=($!)
check "another listens in the place of the broker" wait_for test -S "$sock"
finds "one that does not answer as a broker" "module-not-answering broker-not-answering" "systemctl restart helix-leased"
kill -TERM $!
serve 3
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
if as_nobody true 2>/dev/null; then
	chmod 755 "$dir"
	chmod 600 "$sock"
	out=$(as_nobody "$helixctl" --socket "$sock" doctor --root "$root" --json)
	same "who may ask nobody cannot look" 2 "$?"
	same "which is said" '["broker-denies"] false' "$(jq -c '[.findings[].id], .complete' <<<"$out" | tr '\n' ' ' | sed 's/ $//')"
	chmod 666 "$sock"
	check "one that may ask the broker can" as_nobody "$helixctl" --socket "$sock" doctor --root "$root"
else
	echo "# no way to be another user here"
fi

# top
healthy
serve 3 stalled=2
top() { "$helixctl" --socket "$sock" top --root "$root" "$@"; }
flips() { mkdir -p "$root/sys/class/helix/helix!scanout$1"; echo "$2" >"$root/sys/class/helix/helix!scanout$1/flips"; }
flips 1 5
flips 2 70
mkdir -p "$root/sys/kernel/debug/helix_lease"
cat >"$root/sys/kernel/debug/helix_lease/waits" <<'X'
all commit: 12 waits, 1 in vain, 4711 us; <1024:12
2 state: 3 waits, 0 in vain, 100 us; <64:3
2 commit: 9 waits, 1 in vain, 900 us; <128:9
X
out=$(top --once)
same "top: a line for each scanout under two" 5 "$(wc -l <<<"$out")"
same "none wider than 80" 0 "$(awk 'length > 80' <<<"$out" | wc -l)"
says "the whole in a line" "1 GPUs, host up; scanouts: 1 leased, 2 free, 1 stalled, 0 quarantined" "$out"
same "flips, and waits where debugfs tells them" "2 stalled 1 $served root 70 - 12" \
	"$(awk '$1 == 2 { print $1, $2, $3, $4, $5, $6, $7, $8 }' <<<"$out")"
says "what is waited for" " fence 1m30s vgem" "$out"
same "of a free one what there is" "1 free - - - 5 - 0" "$(awk '$1 == 1 && $2 == "free" { print $1, $2, $3, $4, $5, $6, $7, $8 }' <<<"$out")"
same "sorted by flips" "2 1 3" "$(top --once --sort flips | awk 'NR > 2 { printf "%s%s", s, $1; s = " " }')"
same "as JSON" '[2,"leased",70,12,1,1000]' \
	"$(top --once --json | jq -c '.scanouts[1] | [.scanout, .state, .flips, .waits, .waits_failed, .waits_us]')"
same "nothing is made up where nothing is told" '[null,null]' "$(top --once --json | jq -c '.scanouts[2] | [.flips, .fps]')"
same "so many looks and no more" 2 "$(top --count 2 --interval 0.1 --json | wc -l)"
# Between whichever two looks the flips come, and however long those are apart.
"$helixctl" --socket "$sock" top --root "$root" --interval 0.2 --json >"$dir/top" &
pids+=($!)
last=$!
check "looks: the first" wait_for grep -q scanouts "$dir/top"
flips 2 370
check "one that sees other flips" wait_for grep -q '"flips":370' "$dir/top"
kill -TERM "$last"
wait "$last"
check "rates are what came in the time" jq -se '.[0].scanouts[1].fps == null and
	([range(1; length) as $i | (.[$i].time_ns - .[$i - 1].time_ns) / 1e9 * .[$i].scanouts[1].fps] | add | . > 299.9 and . < 300.1)' "$dir/top"
"$helixctl" --socket "$sock" top --root "$root" --interval 3600 >"$dir/top2" &
pids+=($!)
last=$!
check "without an end it goes on" wait_for grep -q leased "$dir/top2"
kill -TERM "$last"
wait "$last"
same "until a signal comes" 0 "$?"
same "which left no trace of a terminal" 0 "$(grep -c $'\033' "$dir/top2")"
out=$(top --sort size 2>&1)
same "a key that is none" 2 "$?"
says "is said to be" "none of scanout, state" "$out"
kill -KILL "$served"
wait "$served" 2>/dev/null
out=$(top --once 2>&1)
same "top without a broker fails" 1 "$?"
says "and says so" "is helix-leased running?" "$out"
tap_done
