# The verbs of the house. `make help` lists them; what follows `##` is the text it prints.
# Everything here works on a fresh clone with cargo, make and a C compiler; only `compat` installs more.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

# Arguments of single verbs.
ARGS ?=
SEED ?=
N ?= 100
NAME ?=
SECONDS ?= 60
ROUNDS ?= 5
QUICK ?=

.PHONY: help
help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## build the node and start it with no configuration (ARGS="--set key=value" passes on)
	$(CARGO) build --release --locked --bin forebay
	exec $(TARGET)/release/forebay serve $(ARGS)

.PHONY: test
test: check ## everything that must pass: check, unit, golden, simulation, real processes, benches in smoke size
	$(CARGO) test --locked --workspace --all-targets

.PHONY: check
check: ## format, clippy and the house rules of tests/tidy.rs; under a minute when warm
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --quiet -p forebay --test tidy
	$(CARGO) metadata --locked --quiet --format-version 1 --manifest-path tools/fuzz/Cargo.toml >/dev/null
	if [ -d tools/wiregen ]; then $(CARGO) run --locked --quiet -p forebay-wiregen -- --check; fi

.PHONY: sim
sim: ## run the simulated node: N seeds, or the one SEED that a failure printed
	$(if $(SEED),SIM_SEED=$(SEED),SIM_SEEDS=$(N)) \
	    $(CARGO) test --locked --profile sim -p forebay --test sim -- --nocapture $(ARGS)

.PHONY: it
it: ## real processes and sockets: restarts, kill -9, hostile clients (SEED replays one run)
	$(if $(SEED),SEED=$(SEED)) $(CARGO) test --locked -p forebay --test it -- $(ARGS)

.PHONY: compat
compat: ## other people's clients against the node (QUICK=1: the short form); installs kcat
	tests/compat/setup.sh
	$(CARGO) build --release --locked --bin forebay
	QUICK=$(QUICK) FOREBAY=$(abspath $(TARGET))/release/forebay tests/compat/run.sh $(ARGS)

# What stands beside us in a row, where it is there: the harness and the peer of other parties.
COMPARE := $(wildcard ../shared/bench/compare.sh)
PEER := $(wildcard ../shared/peers/kafka.sh)
BENCHES := $(basename $(notdir $(wildcard benches/*.rs)))

.PHONY: bench
bench: ## criterion benches, or NAME: one of them, or a row of figures (NAME=list; ROUNDS=5)
ifeq ($(NAME),list)
	@echo "criterion: $(BENCHES)"
	@tools/beside/beside.py --list
	@if [ -n "$(COMPARE)" ]; then "$(COMPARE)" --help | sed -n '/--only/,/--skip/p'; \
	else echo "no harness with librdkafka's load generator beside this repository"; fi
else ifneq ($(filter-out $(BENCHES),$(NAME)),)
	$(CARGO) build --release --locked -p forebay -p forebay-load --bin forebay --bin forebay-load
	if tools/beside/beside.py --list | grep -q "^$(NAME) "; then \
	    tools/beside/beside.py --rounds $(ROUNDS) $(if $(PEER),--peer kafka=$(PEER)) $(ARGS) $(NAME); \
	elif [ -n "$(COMPARE)" ]; then \
	    BROKER_CMD="$(abspath $(TARGET))/release/forebay serve --config" $(COMPARE) --rounds $(ROUNDS) $(ARGS) --only $(NAME); \
	else echo "$(NAME): skipped, the harness with librdkafka's load generator is not beside this repository"; fi
else
	$(CARGO) bench --locked -p forebay $(if $(NAME),--bench $(NAME)) -- $(ARGS)
endif

.PHONY: load
load: ## build the load generator and show its options
	$(CARGO) build --release --locked -p forebay-load
	$(TARGET)/release/forebay-load --help

.PHONY: wire
wire: ## regenerate the codec from its definitions
	$(CARGO) run --locked --release -p forebay-wiregen

.PHONY: fuzz
fuzz: ## hostile bytes into every decoder for SECONDS each (default 60)
	SECONDS_EACH=$(SECONDS) tools/fuzz/run.sh

.PHONY: doc
doc: ## the rooms' documentation as HTML
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

.PHONY: package
package: ## release tarball under the target directory
	$(CARGO) build --release --locked --bin forebay
	staging=$(TARGET)/package/forebay-$(VERSION); rm -rf "$$staging"; mkdir -p "$$staging"; \
	    cp $(TARGET)/release/forebay README.md LICENSE "$$staging"; \
	    tar -C $(TARGET)/package --sort=name --owner=0 --group=0 --numeric-owner \
	        -czf $(TARGET)/package/forebay-$(VERSION)-$$(uname -m).tar.gz forebay-$(VERSION); \
	    ls -l $(TARGET)/package/*.tar.gz
