# Everything starts here; each target does its own set-up and repeats it only when a lock file changed.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
ARGS ?=

BOOTSTRAP_LOCK := requirements-uv.lock
RUNTIME_LOCK := requirements.lock
DEV_LOCK := requirements-dev.lock
BENCH_LOCK := requirements-bench.lock
PEERS_LOCK := requirements-peers.lock

# Stamps: each is newer than the lock it was installed from.
BOOTSTRAPPED := $(VENV)/.bootstrapped
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_BENCH := $(VENV)/.installed-bench

# What "make bench" measures against: Python packages of their own, and a receiver in Node.js and one in Go.
PEERS := .venv-peers
INSTALLED_PEERS := $(PEERS)/.installed
NODE_PEER := benchmarks/peers/node
GO_PEER := benchmarks/peers/go

INSTALL := $(UV) pip install --python $(BIN)/python --quiet
COMPILE := $(UV) pip compile --python $(BIN)/python --quiet --universal --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(ARGS)

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(INSTALLED) ## Show the pipeline at work on this machine until Ctrl-C (ARGS=--exit: end after the scenario)
	@$(BIN)/norce-pipeline run $(ARGS)

.PHONY: test
test: lint ## Lint, format, types, imports, then all tests on a real Kafka (ARGS="tests/events -k name": some of them)
	$(BIN)/pytest $(ARGS)

.PHONY: faults
faults: $(INSTALLED_DEV) ## The long tests: brokers that die, workers and sinks that come and go under load
	$(BIN)/pytest -m long $(ARGS)

.PHONY: bench
bench: $(INSTALLED_BENCH) $(INSTALLED_PEERS) other-peers ## Measure against peers and limits, into data/bench (ARGS="--only join": a part)
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-quick
bench-quick: $(INSTALLED_BENCH) $(INSTALLED_PEERS) ## The same in three minutes; fails when a ratio is clearly below its bar
	$(BIN)/python -m benchmarks --quick $(ARGS)

# A receiver that cannot be had here is left out, and the report says so.
.PHONY: other-peers
other-peers:
	-@command -v npm >/dev/null && cd $(NODE_PEER) && { [ node_modules -nt package-lock.json ] || npm ci --no-audit --no-fund; }
	-@command -v go >/dev/null && cd $(GO_PEER) && go build -o receiver .

.PHONY: lint
lint: $(INSTALLED_DEV) ## Lint, format check, strict types, import contract, declared dependencies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .cache/import-linter
	$(BIN)/deptry pipeline connectors

.PHONY: format
format: $(INSTALLED_DEV) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: lock
lock: $(BOOTSTRAPPED) ## Write the hashed lock files from pyproject.toml (ARGS=--upgrade: to the newest versions)
	$(COMPILE) --group bootstrap --output-file $(BOOTSTRAP_LOCK)
	$(COMPILE) pyproject.toml --output-file $(RUNTIME_LOCK)
	$(COMPILE) pyproject.toml --group dev --constraint $(RUNTIME_LOCK) --output-file $(DEV_LOCK)
	$(COMPILE) --group bench --constraint $(RUNTIME_LOCK) --constraint $(DEV_LOCK) --output-file $(BENCH_LOCK)
	$(COMPILE) --group peers --output-file $(PEERS_LOCK)

.PHONY: clean
clean: ## Remove the virtual environment, caches and local state
	rm -rf $(VENV) $(PEERS) $(NODE_PEER)/node_modules $(GO_PEER)/receiver .cache .hypothesis build data dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BOOTSTRAPPED): $(BOOTSTRAP_LOCK)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
		echo "Python 3.11, 3.12 or 3.13 is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
		echo "Name another one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu it needs the package python3-venv." >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(BOOTSTRAP_LOCK)
	@touch $@

$(INSTALLED): $(BOOTSTRAPPED) $(RUNTIME_LOCK) pyproject.toml
	@echo "Installing from $(RUNTIME_LOCK)"
	@$(INSTALL) --require-hashes -r $(RUNTIME_LOCK)
	@$(INSTALL) --no-deps --editable .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED) $(DEV_LOCK)
	@echo "Installing from $(DEV_LOCK)"
	@$(INSTALL) --require-hashes -r $(DEV_LOCK)
	@touch $@

$(INSTALLED_BENCH): $(INSTALLED) $(BENCH_LOCK)
	@echo "Installing from $(BENCH_LOCK)"
	@$(INSTALL) --require-hashes -r $(BENCH_LOCK)
	@touch $@

$(INSTALLED_PEERS): $(BOOTSTRAPPED) $(PEERS_LOCK)
	@echo "Making the peers' environment $(PEERS) from $(PEERS_LOCK)"
	@$(UV) venv --quiet --clear --python $(BIN)/python $(PEERS)
	@$(UV) pip install --python $(PEERS)/bin/python --quiet --require-hashes -r $(PEERS_LOCK)
	@touch $@
