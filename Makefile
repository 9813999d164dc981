# Two commands set everything up: `make demo` and `make test`. The rest builds on the same set-up.

PREFIX  ?= /usr/local
DESTDIR ?=
TARGET  := $(or $(CARGO_TARGET_DIR),target)
LAB     := cargo run --quiet -p lvs-testbed --bin lvs-lab --
# What `make install` installs.
BINARIES := lvsd lvs-decap ipvsadm ipvsadm-save ipvsadm-restore lvsctl

.PHONY: demo test bench lab build install setup

# Real HTTP and UDP traffic over real servers, with every forwarding method; needs root.
demo: setup
	cargo build --quiet --workspace --bins
	$(LAB) run demo/demo.sh

# Format, house rules, clippy, documentation, the eBPF object and all tests. What needs root skips itself without it.
test: setup
	cargo xtask check

# The benchmarks; results go to perf/results.
bench: setup
	cargo build --quiet --release --workspace --bins
	cargo run --quiet --release -p lvs-bench -- all $(BENCH)

# The lab with a shell; needs root.
lab: setup
	cargo build --quiet --workspace --bins
	$(LAB) shell

build: setup
	cargo build --release --workspace --bins

install: build
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/lib/systemd/system
	for binary in $(BINARIES); do install -m 755 $(TARGET)/release/$$binary $(DESTDIR)$(PREFIX)/sbin/ || exit 1; done
	sed 's|@SBIN@|$(PREFIX)/sbin|' packaging/lvsd.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/lvsd.service
	for page in $(wildcard docs/man/*.8); do install -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man8/$$(basename $$page) || exit 1; done

setup:
	@scripts/setup
