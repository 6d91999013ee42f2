# What a newcomer needs:  make demo   a failover on this machine, shown live
#                         make test   every test, with what they need
# For contributors:       make check  formatting, lints and documentation, then the tests
#                         make soak   the simulation over 100,000 histories of faults (SOAK_SEEDS, from SOAK_FIRST)
#                         make fuzz   each fuzzer for a minute (FUZZ_SECONDS)
#                         make package  a static binary, a .deb and an .rpm, in target/package/
#                         make mutants  the election broken on purpose: which mutants no test notices (MUTANTS="-f src/vrrp")
#
# Programs that are missing are installed by apt-get (through sudo when not root), and it is said which.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo

# Debian keeps haproxy, ip and keepalived where the PATH of a user does not look.
export PATH := $(PATH):/usr/sbin:/sbin

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
# The variable by which cargo learns a wrapper for test binaries.
RUNNER := CARGO_TARGET_$(shell echo '$(HOST)' | tr 'a-z-' 'A-Z_')_RUNNER

# program:package
DEMO_NEEDS := cc:build-essential haproxy:haproxy ip:iproute2
TEST_NEEDS := $(DEMO_NEEDS) nginx:nginx /usr/lib/nginx/modules/ngx_stream_module.so:libnginx-mod-stream keepalived:keepalived /usr/lib/frr/vrrpd:frr nft:nftables openssl:openssl curl:curl chromium:chromium promtool:prometheus

SOAK_SEEDS ?= 100000
SOAK_FIRST ?= 0
FUZZ_SECONDS ?= 60
MUTANTS ?=
# What the packages are made for.
TRIPLE ?= $(firstword $(subst -, ,$(HOST)))-unknown-linux-musl

.PHONY: help demo test check fmt lint doc soak fuzz mutants package demo-needs test-needs fuzz-needs cargo-present

help:
	@sed -n 's/^# \{0,1\}//p; /^$$/q' Makefile

cargo-present:
	@command -v $(CARGO) >/dev/null || { echo "make: Rust is missing: install it from https://rustup.rs"; exit 3; }

define install_missing
	@missing=(); \
	for need in $(1); do command -v "$${need%%:*}" >/dev/null || missing+=("$${need##*:}"); done; \
	if (( $${#missing[@]} )); then \
	  echo "make: installing $${missing[*]} by apt-get$(if $(SUDO), (with sudo))"; \
	  $(SUDO) apt-get update -qq; \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$${missing[@]}"; \
	fi
endef

fuzz-needs: cargo-present
	$(call install_missing,c++:build-essential)

demo-needs: cargo-present
	$(call install_missing,$(DEMO_NEEDS))

test-needs: cargo-present
	$(call install_missing,$(TEST_NEEDS))

demo: demo-needs
	$(CARGO) build --release --locked
	@if [ -n "$(SUDO)" ]; then echo "make: the demo builds network namespaces, therefore sudo"; fi
	$(SUDO) target/release/vipkeeper demo

# Some tests need root, those in network namespaces above all: built as the user, run by sudo.
test: test-needs
	@mkdir -p target; log=target/test.log; : >"$$log"; status=0; \
	run() { echo "+ $$*" | tee -a "$$log"; "$$@" 2>&1 | tee -a "$$log" || status=1; }; \
	$(CARGO) test --locked --no-run; \
	run $(CARGO) test --locked --no-fail-fast --lib --bins --test sim; \
	run $(CARGO) test --locked --doc; \
	if [ -n "$(SUDO)" ]; then \
	  echo "make: tests that need root follow, therefore sudo"; \
	  run env $(RUNNER)="sudo -E" $(CARGO) test --locked --no-fail-fast --test it --test netns; \
	else \
	  run $(CARGO) test --locked --no-fail-fast --test it --test netns; \
	fi; \
	skipped=$$(grep -c 'SKIPPED: ' "$$log" || true); \
	echo; \
	if (( skipped )); then echo "WARNING: $$skipped SKIPPED"; grep 'SKIPPED: ' "$$log" | sed 's/^.*SKIPPED: /  /' | sort -u; \
	else echo "0 skipped"; fi; \
	if (( status )); then echo "make: TESTS FAILED"; else echo "make: all tests passed"; fi; \
	exit $$status

# Says every 10 s how far it is and how fast; a failure names the seed, which replays it.
soak: cargo-present
	SIM_SEEDS=$(SOAK_SEEDS) SIM_FIRST=$(SOAK_FIRST) \
	  $(CARGO) test --locked --profile soak --test sim -- --nocapture --exact sweep::sweep

fuzz: fuzz-needs
	fuzz/run.sh $(FUZZ_SECONDS)

# All mutants in one build, chosen at run time. It says how far it is, and every mutant that no test notices.
mutants: cargo-present
	@command -v cargo-mutants >/dev/null || { echo "make: cargo-mutants is missing: cargo install --locked cargo-mutants"; exit 3; }
	tests/mutants/switch.py $(MUTANTS)

# A static binary first, so that the same file is in all of them; it writes its own manual pages and completions.
package: cargo-present
	$(call install_missing,cc:build-essential musl-gcc:musl-tools)
	@command -v cargo-deb >/dev/null || { echo "make: installing cargo-deb"; $(CARGO) install --locked --version 3.8.0 cargo-deb; }
	@command -v cargo-generate-rpm >/dev/null || { echo "make: installing cargo-generate-rpm"; $(CARGO) install --locked --version 0.21.1 cargo-generate-rpm; }
	@rustc --print target-libdir --target $(TRIPLE) | xargs test -d || { echo "make: adding the target $(TRIPLE)"; rustup target add $(TRIPLE); }
	CC_$(subst -,_,$(TRIPLE))=musl-gcc $(CARGO) build --release --locked --target $(TRIPLE)
	@rm -rf target/package; mkdir -p target/package/completions
	@binary=target/$(TRIPLE)/release/vipkeeper; \
	"$$binary" manual target/package/man; \
	"$$binary" completions bash >target/package/completions/vipkeeper.bash; \
	"$$binary" completions zsh >target/package/completions/_vipkeeper; \
	"$$binary" completions fish >target/package/completions/vipkeeper.fish; \
	cp "$$binary" target/package/
	cargo-deb deb --no-build --target $(TRIPLE) --output target/package/ >/dev/null
	cargo-generate-rpm generate-rpm --target $(TRIPLE) --output target/package/
	@cd target/package; sha256sum vipkeeper *.deb *.rpm | tee SHA256SUMS

check: fmt lint doc test

fmt: cargo-present
	$(CARGO) fmt --check

lint: cargo-present
	$(CARGO) clippy --locked --all-targets -- -D warnings

doc: cargo-present
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items
