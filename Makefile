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
JOBS ?= 3
SITE ?= $(CURDIR)/build/site
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

BOOTSTRAP_LOCK := requirements-uv.lock
RUNTIME_LOCK := requirements.lock
DEV_LOCK := requirements-dev.lock
BENCH_LOCK := requirements-bench.lock
PEERS_LOCK := requirements-peers.lock

# Else each of the many processes compiles everything anew, and takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE

# Stamps: each is newer than the lock it was installed from.
BOOTSTRAPPED := $(VENV)/.bootstrapped
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_BENCH := $(VENV)/.installed-bench

# What "make bench" measures against: Python packages of their own, a receiver in Node.js, one in Go, and a join in Java.
PEERS := .venv-peers
INSTALLED_PEERS := $(PEERS)/.installed
NODE_PEER := benchmarks/peers/node
GO_PEER := benchmarks/peers/go
STREAMS_PEER := benchmarks/peers/streams

INSTALL := $(UV) pip install --python $(BIN)/python --quiet
COMPILE := $(UV) pip compile --python $(BIN)/python --quiet --universal --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(ARGS)

# What "make k8s-apply" applies to: kube-apiserver and etcd, from their Go modules.
APISERVER := .cache/kube-apiserver
APISERVER_MODULE := tests/k8s/apiserver
KUBERNETES = $(shell sed -n 's|^.*k8s.io/kubernetes \(v[0-9.]*\).*|\1|p' $(APISERVER_MODULE)/go.mod)
GO_BUILD = CGO_ENABLED=0 go -C $(APISERVER_MODULE) build -mod=readonly -trimpath \
	-ldflags "-s -w -X k8s.io/component-base/version.gitVersion=$(KUBERNETES)"

.PHONY: help
help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(INSTALLED) ## Show the pipeline at work on this machine until Ctrl-C (ARGS=--exit: end after the scenario)
	@$(BIN)/norce-pipeline run $(ARGS)

.PHONY: test
test: lint ## Lint, format, types, imports, then all tests on a real Kafka (ARGS="tests/events -k name": some of them)
	$(BIN)/pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: faults
faults: $(INSTALLED_DEV) ## All tests of the 25 faults and all long ones (ARGS="--seed 7 -k worker": some, again as they were)
	$(BIN)/pytest -m "fault or long" --session-timeout=14400 $(ARGS)

.PHONY: simulate
simulate: $(INSTALLED_DEV) ## Simulated histories under virtual time (ARGS="--seeds 5000", or "--seed 7" for one again)
	$(BIN)/python -m tests.simulation $(ARGS)

.PHONY: soak
soak: $(INSTALLED_DEV) ## An hour under load with random kills, and a verdict (ARGS="--minutes 5 --seed 2 --rate 40 --nodes 3")
	$(BIN)/python -m tests.faults.soak $(ARGS)

.PHONY: bench
bench: $(INSTALLED_BENCH) $(INSTALLED_PEERS) other-peers ## Measure against peers and limits, into data/bench (ARGS="--only join": a part)
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-quick
bench-quick: $(INSTALLED_BENCH) $(INSTALLED_PEERS) ## A short form of it; fails when a ratio is clearly below its bar
	$(BIN)/python -m benchmarks --quick $(ARGS)

# A peer that cannot be had here is left out, and the report says so.
.PHONY: other-peers
other-peers:
	-@command -v npm >/dev/null && cd $(NODE_PEER) && { [ node_modules -nt package-lock.json ] || npm ci --no-audit --no-fund; }
	-@command -v go >/dev/null && cd $(GO_PEER) && go build -o receiver .
	-@command -v mvn >/dev/null && command -v javac >/dev/null && cd $(STREAMS_PEER) && rm -rf classes \
		&& { [ libs -nt pom.xml ] || { rm -rf libs && mvn --batch-mode --quiet --strict-checksums \
			dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=libs; }; } \
		&& (cd libs && sha256sum --check --strict --quiet ../jars.sha256) \
		&& javac -Xlint:all -d classes -cp 'libs/*' src/*.java

.PHONY: lint
lint: $(INSTALLED_DEV) ## Lint, format check, strict types, import contract, declared dependencies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .cache/import-linter
	$(BIN)/deptry pipeline connectors

.PHONY: audit-dependencies
audit-dependencies: $(INSTALLED_DEV) ## Look dependencies up among known vulnerabilities (ARGS="--ignore-vuln ID": but not this one)
	@$(BIN)/python .ci/audit_dependencies.py $(ARGS)

.PHONY: format
format: $(INSTALLED_DEV) ## Format the code and mend what can be mended
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: k8s
k8s: $(INSTALLED) ## Write what Kubernetes, Prometheus and Grafana get from the code: topics, users, rules, dashboards
	$(BIN)/norce-pipeline topics export > k8s/kafka/topics.yaml
	$(BIN)/norce-pipeline topics export --users > k8s/kafka/users.yaml
	$(BIN)/norce-pipeline metrics --markdown > docs/METRICS.md
	$(BIN)/python k8s/prometheus/resource.py > k8s/prometheus/prometheus-rule.yaml
	$(BIN)/python k8s/grafana/dashboards.py k8s/grafana/dashboards

.PHONY: docs
docs: $(INSTALLED_DEV) ## Build the documentation as a site into build/site; a link that leads nowhere fails
	@rm -rf $(SITE) $(SITE)-pages && mkdir -p $(SITE)-pages/k8s
	@cp -R README.md docs $(SITE)-pages && cp k8s/README.md $(SITE)-pages/k8s
	@NO_MKDOCS_2_WARNING=1 DOCS_PAGES=$(SITE)-pages DOCS_SITE=$(SITE) $(BIN)/mkdocs build --strict

.PHONY: pictures
pictures: $(INSTALLED_DEV) ## Draw the pictures of the documentation from the code and the console (needs Chromium)
	$(BIN)/python -m tests.docs.pictures
	$(BIN)/python -m tests.web.pictures

.PHONY: k8s-apply-check
k8s-apply-check: $(INSTALLED_DEV) ## Let the API server of KUBECONFIG judge an overlay and change nothing (ARGS=prod)
	$(BIN)/kubectl apply --server-side --dry-run=server --validate=strict --kustomize k8s/overlays/$(or $(ARGS),playground)

.PHONY: k8s-apply
k8s-apply: $(INSTALLED_DEV) $(APISERVER)/kube-apiserver $(APISERVER)/etcd ## Apply every overlay to a real API server on this machine (needs Go, which builds it once)
	$(BIN)/pytest -m long tests/k8s/test_applying.py $(ARGS)

.PHONY: image
image: sbom ## Build the image, with its labels (needs Docker)
	docker build --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) --tag norce-pipeline:$(VERSION) .

.PHONY: sbom
sbom: $(INSTALLED_DEV) ## Write what the image contains as a CycloneDX bill of materials to build/sbom.cdx.json
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file build/sbom.cdx.json $(RUNTIME_LOCK)

PROMTOOL := .cache/prometheus/usr/bin/promtool

.PHONY: promtool
promtool: ## Fetch promtool, which the tests of alert rules need, from Debian's package, unless it is installed
	@command -v promtool > /dev/null || [ -x $(PROMTOOL) ] || { mkdir -p .cache/prometheus && cd .cache/prometheus \
		&& { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } \
		&& dpkg-deb --extract prometheus_*.deb . && rm prometheus_*.deb; }

# Its libraries come with it, so it is installed, not unpacked; that takes the rights to.
.PHONY: browser
browser: ## Install Chromium, which the tests of the console's page need, from Debian's package, unless there is one
	@command -v chromium chromium-browser google-chrome google-chrome-stable > /dev/null || { \
		sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); $$sudo apt-get update -qq && $$sudo apt-get install -qq chromium; }

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

$(APISERVER)/kube-apiserver: $(APISERVER_MODULE)/go.mod $(APISERVER_MODULE)/go.sum
	@echo "Building kube-apiserver $(KUBERNETES) and etcd; the first time takes minutes"
	$(GO_BUILD) -o $(CURDIR)/$@ k8s.io/kubernetes/cmd/kube-apiserver

$(APISERVER)/etcd: $(APISERVER_MODULE)/go.mod $(APISERVER_MODULE)/go.sum
	$(GO_BUILD) -o $(CURDIR)/$@ go.etcd.io/etcd/server/v3

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
