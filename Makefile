# SPDX-License-Identifier: GPL-2.0-only
#
# Everything starts here; `make help` lists it. What takes long is in a cache
# outside the checkout (scripts/cache); build/ holds the rest and may be removed
# at any time. Every compiler runs in the Debian 13 build root (scripts/in-root).

SHELL := /bin/bash
comma := ,
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

export DESKTOP DESKTOPS CLIPBOARD FOR ACCEL GPU PORT HELIX_CACHE HELIX_QEMU_PREFIX FUZZ_SECONDS LANES RETRY SEED ROUNDS ONLY

IN_ROOT := scripts/in-root

.PHONY: help
help: ## this list
	@printf 'Helix Lease: GPU desktops of one virtual machine, in a browser\n\n'
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\n'; printf '%s\n' \
	  'make run takes:' \
	  '  DESKTOP=KIND     weston, a terminal and something that moves; or gnome: GNOME Shell with' \
	  '                   a terminal, an editor and Chromium (weston)' \
  '  DESKTOPS=N       how many desktops, 1 to 15 (4; 2 of gnome)' \
	  '  CLIPBOARD=N      the one of gnome that shares its clipboard with its page, 0 for none (1)' \
	  '  FOR=SECONDS      run so long with a viewer on every desktop, write build/run/summary.json,' \
	  '                   fail if a desktop delivered no frame' \
	  '  ACCEL=kvm|tcg    how the guest runs (kvm where the CPU has vmx or svm, else tcg)' \
	  '  GPU=NODE         draw on this render node, as /dev/dri/renderD128 (none: on the CPU)' \
	  '  PORT=N           port of the page on 127.0.0.1 (8800; 0 for any free one)' \
	  'everything takes:' \
	  '  HELIX_CACHE=DIR  where long-lived results are kept ($$XDG_CACHE_HOME/helix-lease)' \
	  '  HELIX_QEMU_PREFIX=DIR  use this installation of QEMU, do not build the series' \
	  'make check and make check-qemu take FUZZ_SECONDS=N, for each target of a fuzzer (10; 30 of QEMU).' \
	  'make bench takes BENCHES="module desktops" to run only some.' \
	  'make check STEPS=churn takes ROUNDS=N, how often each crash is tried (0: some of them, once), ONLY=REGEX, which,' \
	  '  and SEED=N, to repeat the random choices of a run. make soak takes FOR=SECONDS (3600), DESKTOPS=N (15) and SEED=N.' \
	  'make check takes STEPS="name ..." to run only some; scripts/check --list names them;' \
	  '  LANES=N, how many run side by side (2; 1 on one core or with less than 14 GiB of memory);' \
  '  RETRY=0, a step that fails beside others is not run once more, alone.'

# make hands an interrupt on to what it started itself, so nothing here starts
# another make. HELIX_SKIP_BUILD=1 takes what is there.
PARTS := $(if $(HELIX_SKIP_BUILD),,all)
HELIX_BEGUN := $(or $(HELIX_BEGUN),$(shell date +%s))
export HELIX_BEGUN
.NOTPARALLEL:

.PHONY: run-check
run-check:
	@scripts/run --check

.PHONY: run
run: run-check $(PARTS) ## set up what is missing, start the desktops, print the URL
	@scripts/run

.PHONY: check
check: ## every test; the last line is "N passed, N failed"
	@scripts/check $(STEPS)

.PHONY: check-qemu
check-qemu: ## the QEMU series: its qtests with and without it, sanitizers, fuzzing
	@scripts/check-qemu

.PHONY: bench
bench: $(PARTS) ## benchmarks; writes build/bench/results.json
	@scripts/bench $(BENCHES)

.PHONY: soak
soak: $(PARTS) ## desktops that come and go and are killed, for an hour; the report is in build/soak
	@scripts/soak

.PHONY: all
all: user module guest qemu ## build everything, run nothing

.PHONY: root
root: ## the build root
	@scripts/cache get root >/dev/null

.PHONY: qemu
qemu: ## QEMU with the series of qemu-side/patches
	@[ -n "$${HELIX_QEMU_PREFIX:-}" ] || scripts/cache get qemu >/dev/null

.PHONY: user
user: root ## broker, export daemon, viewer: build/user
	@$(IN_ROOT) scripts/build-user build/user

.PHONY: module
module: root ## helix_lease.ko for the guest's kernel
	@scripts/build-module 6.12

.PHONY: guest
guest: user module ## the guest: base system, desktop image, our parts
	@scripts/build-guest

# GNU's names of folders, as far as anything of ours goes there; what is not given follows from prefix.
prefix ?= /usr
INSTALL_DIRS := prefix bindir sbindir libexecdir libdir includedir datadir mandir sysconfdir localstatedir
INSTALL_ARGS = $(foreach d,$(INSTALL_DIRS),$(if $($(d)),'--$(d)=$($(d))')) --buildtype=release -Dtests=false -Dparts=$(1)

define install_parts
	@[ -n "$(DESTDIR)" ] || { echo 'make $@ needs DESTDIR=DIR; see Documentation/install.rst'; exit 2; }
	@$(IN_ROOT) scripts/build-user 'build/$@' $(call INSTALL_ARGS,$(1))
	@mkdir -p '$(DESTDIR)'
	@$(IN_ROOT) -w "$$(realpath '$(DESTDIR)')" env DESTDIR="$$(realpath '$(DESTDIR)')" meson install -C 'build/$@' --no-rebuild --quiet
endef

.PHONY: install
install: root ## both sides into DESTDIR=DIR, under prefix=/usr; see Documentation/install.rst
	$(call install_parts,guest$(comma)host)

.PHONY: install-guest
install-guest: root ## the guest's side: broker, client library, headers, the module's sources for DKMS
	$(call install_parts,guest)

.PHONY: install-host
install-host: root ## the host's side: helix-exportd, helix-viewer, the page
	$(call install_parts,host)

.PHONY: deb
deb: root qemu ## Debian packages of both sides and of QEMU: build/deb
	@scripts/build-packages build/deb
	@ls build/deb/*.deb

.PHONY: shell
shell: root ## a shell in the build root
	@$(IN_ROOT) /bin/bash

.PHONY: cache-list
cache-list: ## what the cache holds
	@scripts/cache list

.PHONY: clean
clean: ## remove build/
	@rm -rf --one-file-system build

.PHONY: distclean
distclean: clean ## remove build/ and the cache
	@scripts/cache clean
