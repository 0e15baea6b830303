# The goals for people; `make` alone lists them. Every one works in a fresh clone.

CARGO ?= cargo
LOCALNET ?=
# What the demo, the bad days and the kills run: a path to another build goes here.
WORKER ?= $(DEBUG_DIR)/allora-worker
BENCH_WORKER ?=
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)
DEBUG_DIR = $(TARGET_DIR)/debug
RELEASE_DIR = $(TARGET_DIR)/release
MUSL_WORKER = $(TARGET_DIR)/$(shell uname -m)-unknown-linux-musl/release/allora-worker

.PHONY: help demo run build test vectors lint fmt localnet clean faults soak kills mutants \
	musl dist dist-check bench monitoring debug-build has-cargo

help:
	@echo 'make demo      a worker against a simulated chain: no key, no node, 40 s after the build'
	@echo 'make run       the worker on ./config.json'
	@echo 'make build     the optimised worker, in target/release/allora-worker'
	@echo 'make musl      the static worker, for any Linux; TARGETS=… names other targets'
	@echo 'make dist      what a server needs, as a tarball in target/dist'
	@echo 'make test      everything that checks the project'
	@echo 'make vectors   only the golden vectors; more of them from ALLORA_VECTORS_DIR'
	@echo 'make faults    many bad days in ten minutes; SEED=… RUNS=… repeats some of them'
	@echo 'make soak      the same for MINUTES=…'
	@echo 'make kills     kill -9 and restart, 100 times'
	@echo 'make bench     counts and times of a worker, in eight minutes; PEER=… for another beside it'
	@echo 'make mutants   small mistakes, each of which a test has to catch'
	@echo 'make monitoring  alerts and dashboard, read by promtool where it is'
	@echo 'make dist-check  builds the tarball once more elsewhere: the bytes have to be the same'
	@echo 'make lint      formatting, clippy and documentation, warnings are errors'
	@echo 'make fmt       formats the sources'
	@echo 'make localnet  a simulated chain to play with; LOCALNET="--help" for its options'
	@echo 'make clean     removes what was built'

demo: debug-build
	@$(DEBUG_DIR)/allora-localnet demo --worker $(WORKER)

run: build
	@$(RELEASE_DIR)/allora-worker run --config config.json; code=$$?; \
	if [ $$code -ne 0 ]; then echo "make run: the worker ended with exit code $$code" >&2; fi; \
	exit $$code

build: has-cargo
	@$(CARGO) build --locked --release --package allora-worker

musl: has-cargo
	@CARGO='$(CARGO)' TARGETS='$(TARGETS)' packaging/musl

dist: musl
	@CARGO='$(CARGO)' TARGETS='$(TARGETS)' packaging/dist

dist-check: dist
	@CARGO='$(CARGO)' TARGETS='$(TARGETS)' tests/packaging/reproducible.sh

test: has-cargo
	@$(CARGO) test --locked --workspace

vectors: has-cargo
	@$(CARGO) test --locked --workspace vectors

faults: debug-build
	@$(DEBUG_DIR)/allora-localnet faults --worker $(WORKER) \
	$(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

soak: debug-build
	@$(DEBUG_DIR)/allora-localnet faults --worker $(WORKER) \
	--minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

kills: debug-build
	@$(DEBUG_DIR)/allora-localnet kills --worker $(WORKER) \
	$(if $(SEED),--seed $(SEED)) $(if $(TIMES),--times $(TIMES)) $(if $(JOBS),--jobs $(JOBS))

# The static binary if it is there and newer than the sources, or the one that BENCH_WORKER names.
bench: debug-build
	@worker='$(BENCH_WORKER)'; \
	if [ -z "$$worker" ] && [ -x $(MUSL_WORKER) ] && \
	[ -z "$$(find src Cargo.toml Cargo.lock -newer $(MUSL_WORKER) -print | head -n 1)" ]; \
	then worker=$(MUSL_WORKER); fi; \
	if [ -z "$$worker" ]; then $(MAKE) --no-print-directory build || exit 1; \
	worker=$(RELEASE_DIR)/allora-worker; fi; \
	$(DEBUG_DIR)/allora-localnet bench --worker "$$worker" --out $(TARGET_DIR)/bench.json \
	$(if $(PEER),--peer '$(PEER)') $(addprefix --only ,$(ONLY))

mutants: has-cargo
	@tests/mutants/run

monitoring:
	@monitoring/check

lint: has-cargo
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps

fmt: has-cargo
	@$(CARGO) fmt --all

localnet: debug-build
	@$(DEBUG_DIR)/allora-localnet $(LOCALNET)

clean: has-cargo
	@$(CARGO) clean

# The whole workspace at once, as for the tests: the parts alone would have their dependencies
# built again with fewer features.
debug-build: has-cargo
	@$(CARGO) build --locked --workspace --bins

has-cargo:
	@command -v $(firstword $(CARGO)) >/dev/null 2>&1 || { \
	echo 'cargo was not found: install Rust, see the README; or name it with make CARGO=PATH' >&2; \
	exit 1; }
