#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The libraries as a developer gets them: installed into a tree of their own, found by
# pkg-config, with the symbols of their maps and no others. Programs in C and C++ are
# built against them and run with the stand-in for the broker.
# usage: test-library.sh SOURCE BUILD FAKE_BROKER
set -u
. "$(dirname "$0")/tap.sh"
source=$1 build=$2 broker=$3
dir=$(mktemp -d)
sock=$dir/run/leased.sock
pids=()
cleanup()
{
	kill -KILL "${pids[@]}" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

check "the build is installed" env DESTDIR="$dir/dest" meson install -C "$build" --no-rebuild --quiet --tags devel,runtime,man
# What is under test, and where.
libdir=$(dirname "$(find "$dir/dest" -name libhelix_lease.so)")
mandir=$(dirname "$(find "$dir/dest" -name libhelix_lease.3)")
export PKG_CONFIG_LIBDIR=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir
system=$(env -u PKG_CONFIG_LIBDIR pkg-config --variable pc_path pkg-config)
export PKG_CONFIG_PATH=$system

mapped() { sed -n '/global:/,/local:/s/^\t\([a-z_0-9]*\);$/\1/p' "$1" | sort; }
exported() { nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort; }
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' '; }
soname() { readelf -d "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p'; }
declared() { grep -oE "^[a-z].*\b$2_[a-z_0-9]+\(" "$1" | grep -oE "$2_[a-z_0-9]+\(" | tr -d '(' | sort; }

so=$libdir/libhelix_lease.so
same "libhelix_lease exports what its map says" "$(mapped "$source/lib/helix-lease.map")" "$(exported "$so")"
same "and what its header declares" "$(declared "$source/lib/helix-lease-client.h" hl)" "$(exported "$so")"
same "each in a version" "" "$(nm -D --defined-only "$so" | awk '$2 != "A" && $3 !~ /@@HELIX_LEASE_1$/ { print $3 }')"
same "its soname is the one that packages name" libhelix_lease.so.1 "$(soname "$so")"
same "it needs two libraries" "libc.so.6 libjson-c.so.5 libmnl.so.0 " "$(needed "$so")"
so=$libdir/libdlmclient.so
same "libdlmclient exports what its map says" "$(mapped "$source/dlm/dlmclient.map")" "$(exported "$so")"
same "and what its header declares" "$(declared "$source/dlm/dlmclient.h" dlm)" "$(exported "$so")"
same "in no version, as AGL's" "" "$(nm -D --defined-only "$so" | grep @)"
same "with AGL's soname" libdlmclient.so.0 "$(soname "$so")"
same "it needs libhelix_lease" "libc.so.6 libhelix_lease.so.1 " "$(needed "$so")"

same "every function has a manual page" "" "$(for f in $(exported "$libdir/libhelix_lease.so") $(exported "$so"); do
	[ -e "$mandir/$f.3" ] || echo "$f"
done)"
same "which names it" "" "$(for f in $(exported "$libdir/libhelix_lease.so") $(exported "$so"); do
	grep -qE "^\.Fo? *\"?.*\b$f\b|^\.Nm $f\b" "$mandir/$f.3" || echo "$f"
done)"

# As a developer would, but for where it is.
ours() { PKG_CONFIG_SYSROOT_DIR=$dir/dest pkg-config --cflags --libs "$@"; }
warn=(-Wall -Wextra -Wpedantic -Werror)
# shellcheck disable=SC2046
{
	check "pkg-config knows both" ours libhelix_lease libdlmclient
	check "the headers are C" cc -std=c11 "${warn[@]}" -o "$dir/abi" "$source/tests/abi.c" $(ours libhelix_lease libdlmclient)
	check "and C++" c++ -std=c++11 -x c++ "${warn[@]}" -o "$dir/abi++" "$source/tests/abi.c" -x none $(ours libhelix_lease libdlmclient)
	check "the example is built" cc -std=c11 "${warn[@]}" -o "$dir/acquire" "$source/examples/acquire.c" $(ours libhelix_lease)
	check "and a program that knows libdlmclient only" cc "${warn[@]}" -o "$dir/client" "$source/tests/dlm-client.c" $(ours libdlmclient) $(pkg-config --cflags --libs libdrm)
}
same "the one in C runs" "free granted -1" "$("$dir/abi")"
same "and that in C++" "free granted -1" "$("$dir/abi++")"

mkdir "$dir/run"
"$broker" "$sock" 2 >"$dir/out" 2>&1 &
pids+=($!)
check "the broker serves" wait_for grep -q serving "$dir/out"
same "the example does what it says" "scanout 1: 1280x720 on connector 31, /dev/helix/scanout1
granted, now leased
released" "$("$dir/acquire" "$sock" 2>&1)"
says "and says what it cannot" "is helix-leased running?" "$("$dir/acquire" "$dir/nowhere" 2>&1)"

client() { DLM_RUNTIME_PATH=$dir/run "$dir/client" "$@" 2>"$dir/err"; }
whole="lease open
fd closed
none -1"
for name in helix-any helix-2 card0-HDMI-A-2; do
	same "dlm_get_lease of $name" "$whole" "$(client "$name")"
done
same "of a scanout there is not" "lease: ENOENT" "$(client helix-3)"
same "of what is no name" "lease: ENOENT" "$(client frobnicate)"
says "which is said where that is asked for" "libdlmclient: frobnicate: the name means no scanout" "$(cat "$dir/err")"
same "of a size that is none" "lease: EINVAL" "$(HELIX_DLM_SIZE=huge client helix-any)"
same "without a broker" "lease: ENOENT" "$(DLM_RUNTIME_PATH=$dir/nowhere "$dir/client" helix-any 2>/dev/null)"
same "of a path that is too long" "lease: ENAMETOOLONG" "$(DLM_RUNTIME_PATH=$dir/$(printf %0200d 0) "$dir/client" helix-any 2>/dev/null)"
same "both free again" 2 "$("$build/broker/helixctl" --socket "$sock" list | grep -c ' free ')"
"$build/broker/helixctl" --socket "$sock" acquire --scanout 1 >"$dir/held" &
pids+=($!)
check "one is taken" wait_for grep -q scanout "$dir/held"
same "of one that is taken" "lease: EACCES" "$(client helix-1)"
says "which is said as well" "scanout 1 is taken" "$(cat "$dir/err")"
check "HELIX_DLM_SIZE is a size" env HELIX_DLM_SIZE=1920x1080 DLM_RUNTIME_PATH="$dir/run" "$dir/client" helix-any
same "the one asked for" 1920x1080 "$("$build/broker/helixctl" --socket "$sock" info --json 2 | jq -r '"\(.width)x\(.height)"')"
tap_done
