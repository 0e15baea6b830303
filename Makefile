# Goals for people; `make` alone lists them. Every goal works in a fresh clone.

CARGO ?= cargo
LOCALNET ?=
# The worker that demo, faults, kills, hostile and scenarios run; set it to the path of another build.
WORKER ?= $(DEBUG_DIR)/allora-worker
BENCH_WORKER ?=
TARGET_DIR = $(or $(CARGO_TARGET_DIR),target)
DEBUG_DIR = $(TARGET_DIR)/debug
RELEASE_DIR = $(TARGET_DIR)/release
MUSL_WORKER = $(TARGET_DIR)/$(shell uname -m)-unknown-linux-musl/release/allora-worker

.PHONY: help demo run build test vectors lint fmt localnet clean faults soak kills hostile fuzz mutants \
	page nodes real conformance scenarios musl dist dist-check bench monitoring release-check debug-build \
	has-cargo share deb

help:
	@echo 'make demo      runs a worker against a simulated chain: no key, no node, 40 s after the build'
	@echo 'make run       runs the worker with ./config.json'
	@echo 'make build     builds the optimised worker, target/release/allora-worker'
	@echo 'make musl      builds the static worker, for any Linux; TARGETS=… names other targets'
	@echo 'make dist      packs what a server needs as a tarball in target/dist'
	@echo 'make deb       packs Debian packages in target/dist; needs dpkg-deb'
	@echo 'make test      runs all tests'
	@echo 'make page      opens the page of a worker in a browser and judges it; needs Chromium'
	@echo 'make vectors   runs only the golden vectors; ALLORA_VECTORS_DIR names a folder with more'
	@echo 'make faults    runs the worker against seeded faults, 10 minutes; SEED=… RUNS=… repeats runs'
	@echo 'make soak      the same for MINUTES=…'
	@echo 'make kills     kills and restarts the worker 100 times'
	@echo 'make hostile   runs the worker against seeded nodes that lie, 4 minutes; SEED=… RUNS=… repeats runs'
	@echo 'make bench     measures requests, times and memory, 8 minutes; PEER=… measures another worker too, API=v9'
	@echo 'make scenarios plays what every user meets on a simulated chain, 8 minutes; ONLY=… plays one'
	@echo 'make real      the same on nodes of released chain versions, 9 minutes; VERSION=… plays on one'
	@echo 'make conformance  compares the answers of the simulated chain with those of these nodes, 1 minute'
	@echo 'make nodes     builds these nodes in target/nodes; needs Go; 13 minutes the first time'
	@echo 'make fuzz      feeds the decoders with mutated text for SECONDS=60; TARGET=… SEED=… RUNS=… repeats'
	@echo 'make mutants   applies small mistakes to the sources; a test must catch each of them'
	@echo 'make monitoring  checks alerts and dashboard with promtool, if it is installed'
	@echo 'make dist-check  builds the tarball a second time elsewhere and compares the bytes'
	@echo 'make release-check  what a tag must pass: version, change log, Rust, then .ci/run --strict; an hour'
	@echo 'make share     writes the manual page and the completions in packaging/share'
	@echo 'make lint      checks formatting, clippy and documentation; warnings are errors'
	@echo 'make fmt       formats the sources'
	@echo 'make localnet  runs a simulated chain to try things; LOCALNET="--help" lists its options'
	@echo 'make clean     removes the build output'

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

deb: musl
	@CARGO='$(CARGO)' packaging/deb

dist-check: dist
	@CARGO='$(CARGO)' TARGETS='$(TARGETS)' tests/packaging/reproducible.sh

release-check: has-cargo
	@CARGO='$(CARGO)' packaging/release-check
	@.ci/run --strict
	@tests/mutants/run
	@CARGO='$(CARGO)' packaging/release-check

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

scenarios: debug-build
	@$(DEBUG_DIR)/allora-localnet scenarios --worker $(WORKER) $(if $(ONLY),--only '$(ONLY)')

hostile: debug-build
	@$(DEBUG_DIR)/allora-localnet hostile --worker $(WORKER) \
	$(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(JOBS),--jobs $(JOBS))

page: debug-build
	@tests/page/run $(DEBUG_DIR)

nodes:
	@tests/nodes/build $(TARGET_DIR)/nodes $(VERSION)

# Only a run of everything writes the page of the documentation.
real: nodes debug-build
	@$(if $(ONLY),,$(DEBUG_DIR)/allora-localnet conformance --nodes $(TARGET_DIR)/nodes \
	$(if $(VERSION),--version $(VERSION)))
	@$(DEBUG_DIR)/allora-localnet scenarios --worker $(WORKER) --nodes $(TARGET_DIR)/nodes \
	$(if $(VERSION),--version $(VERSION)) $(if $(ONLY),--only '$(ONLY)') \
	$(if $(VERSION)$(ONLY),,--docs docs/chain-versions.md)

conformance: nodes debug-build
	@$(DEBUG_DIR)/allora-localnet conformance --nodes $(TARGET_DIR)/nodes \
	$(if $(VERSION),--version $(VERSION))

# Measures the worker that BENCH_WORKER names, else the static binary if it is newer than the sources,
# else the optimised build.
bench: debug-build
	@worker='$(BENCH_WORKER)'; \
	if [ -z "$$worker" ] && [ -x $(MUSL_WORKER) ] && \
	[ -z "$$(find src Cargo.toml Cargo.lock -newer $(MUSL_WORKER) -print | head -n 1)" ]; \
	then worker=$(MUSL_WORKER); fi; \
	if [ -z "$$worker" ]; then $(MAKE) --no-print-directory build || exit 1; \
	worker=$(RELEASE_DIR)/allora-worker; fi; \
	$(DEBUG_DIR)/allora-localnet bench --worker "$$worker" --out $(TARGET_DIR)/bench.json \
	$(if $(PEER),--peer '$(PEER)') $(if $(API),--api $(API)) $(addprefix --only ,$(ONLY))

fuzz: has-cargo
	@$(CARGO) build --locked --quiet --workspace --bins
	@$(DEBUG_DIR)/allora-fuzz $(if $(TARGET),--target $(TARGET)) $(if $(SECONDS),--seconds $(SECONDS)) \
	$(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

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

# What install.sh and packages put below PREFIX/share; a test compares it with what the worker makes.
SHARE = packaging/share
share: debug-build
	@mkdir -p $(SHARE)/man/man8 $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions \
	$(SHARE)/fish/vendor_completions.d
	@$(DEBUG_DIR)/allora-worker --generate man >$(SHARE)/man/man8/allora-worker.8
	@$(DEBUG_DIR)/allora-worker --generate bash >$(SHARE)/bash-completion/completions/allora-worker
	@$(DEBUG_DIR)/allora-worker --generate zsh >$(SHARE)/zsh/site-functions/_allora-worker
	@$(DEBUG_DIR)/allora-worker --generate fish >$(SHARE)/fish/vendor_completions.d/allora-worker.fish

localnet: debug-build
	@$(DEBUG_DIR)/allora-localnet $(LOCALNET)

clean: has-cargo
	@$(CARGO) clean

# Builds the whole workspace at once, as the tests do: single packages would compile their
# dependencies again with fewer features.
debug-build: has-cargo
	@$(CARGO) build --locked --workspace --bins

has-cargo:
	@command -v $(firstword $(CARGO)) >/dev/null 2>&1 || { \
	echo 'cargo was not found: install Rust (see README.md), or name it with make CARGO=PATH' >&2; \
	exit 1; }
