# The targets are thin: the command behind them is `kwok-harness` (also `python -m harness`).
PYTHON   ?= python3
VENV     ?= .venv
BIN      := $(VENV)/bin
HARNESS  := $(BIN)/kwok-harness
DEPLOYER ?= helm
# Tests side by side: one more than processors, for a cell mostly waits. WORKERS=0 runs them one after another, in this
# process.
WORKERS  ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)
# Tests start Python hundreds of times, and pytest rewrites every test module: both are kept compiled, out of the tree.
COMPILED := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(abspath $(VENV))/compiled
# Random histories for each kind of wait; the tests themselves tell fewer when nobody says how many.
HISTORIES ?= 500
PYTEST   := $(COMPILED) $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help env kwok-cluster kwok-cluster-delete kwok-nodes kwok-nodes-delete kwok-status kwok-test kwok-test-deployer \
        kwok-test-all check-health check-health-all conformance e2e-k8s \
        test test-unit test-e2e test-kind lint check build benchmarks clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(VENV)/.ready  ## make the Python environment in .venv

# pip reads its index from the user's own configuration; constraints.txt holds versions only.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Set PYTHON=..."; exit 10; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) cannot make a virtual environment (on Debian: apt-get install python3-venv)"; exit 10; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

kwok-cluster: env  ## bring the simulated cluster up, with its nodes (RECIPE= chooses their profile)
	@$(HARNESS) up $(if $(RECIPE),--recipe $(RECIPE))

kwok-cluster-delete: env  ## take the simulated cluster down
	@$(HARNESS) down

kwok-nodes: env  ## make the nodes of RECIPE in the cluster that is up
	@$(if $(RECIPE),,echo "usage: make kwok-nodes RECIPE=<name>; the testable ones:"; $(HARNESS) recipes list; exit 64)
	@$(HARNESS) nodes $(RECIPE)

kwok-nodes-delete: env  ## remove the simulated nodes
	@$(HARNESS) nodes --delete

kwok-status: env  ## what is up, and which nodes it has
	@$(HARNESS) status

kwok-test: env  ## run RECIPE under helm
	@$(if $(RECIPE),,echo "usage: make kwok-test RECIPE=<name>; the testable ones:"; $(HARNESS) recipes list; exit 64)
	@$(HARNESS) run $(RECIPE) --deployer helm --reuse

kwok-test-deployer: env  ## run RECIPE under DEPLOYER, on the cluster of `kwok-cluster` (brought up when it is not there)
	@$(if $(RECIPE),,echo "usage: make kwok-test-deployer RECIPE=<name> DEPLOYER=<lane>; the testable ones:"; $(HARNESS) recipes list; exit 64)
	@$(HARNESS) run $(RECIPE) --deployer $(DEPLOYER) --reuse

kwok-test-all: env  ## run all testable recipes under DEPLOYER (helm, or another lane, or all)
	@$(HARNESS) sweep --deployer $(DEPLOYER)

check-health: env  ## judge the health check of COMPONENT on the cluster that is up (RECIPE= where it was not kept)
	@$(if $(COMPONENT),,echo "usage: make check-health COMPONENT=<name> [RECIPE=<name>]"; exit 64)
	@$(HARNESS) health $(COMPONENT) $(if $(RECIPE),--recipe $(RECIPE))

check-health-all: env  ## judge the health checks of all components on the cluster that is up
	@$(HARNESS) health $(if $(RECIPE),--recipe $(RECIPE))

# The suite's scripts call kwok-harness. Its default recipe; another one needs expectations of its own (SUITE=).
SUITE    ?= kwok/suites/ai-conformance
VALUES   ?= kwok/suites/ai-conformance/simulated.yaml
REPORTS  ?= build/conformance

conformance: RECIPE := $(or $(RECIPE),h100-eks-ubuntu-inference-dynamo)
conformance: env  ## deploy RECIPE on the named cluster, judge it by the AI-conformance suite, write reports to REPORTS=
	@$(HARNESS) run $(RECIPE) --deployer $(DEPLOYER) --reuse --keep
	@PATH="$(abspath $(BIN)):$$PATH" $(HARNESS) test $(SUITE) --allow-scripts --values $(VALUES) --set recipe=$(RECIPE) \
	  $(if $(KWOK_RECIPES),--env KWOK_RECIPES) \
	  --report HTML --report CTRF --report JUNIT-TEST --report-path $(REPORTS) --report-name ai-conformance

# Both set-up and cases, on the runtime that is there: RUNTIME=host or kind chooses, KEEP=1 leaves the cluster up.
E2E_SUITE   ?= kwok/suites/platform
E2E_REPORTS ?= build/e2e

e2e-k8s: env  ## run the end-to-end suite E2E_SUITE=, write reports to E2E_REPORTS=
	@$(HARNESS) suite run $(E2E_SUITE) $(if $(RUNTIME),--runtime $(RUNTIME)) $(if $(KEEP),--keep) \
	  --report JUNIT-STEP --report CTRF --report HTML --report-path $(E2E_REPORTS) --report-name e2e

test: test-unit test-e2e  ## all tests that need no container engine (prepares the tools, minutes when cold)

test-unit: env  ## the tests that need no cluster, with more random input and with coverage (htmlcov)
	HISTORIES=$(HISTORIES) $(PYTEST) -m 'not e2e' --cov --cov-report=html --cov-fail-under=90 tests

test-e2e: env  ## the tests on a real control plane
	@$(HARNESS) tools prepare
	$(PYTEST) -m 'e2e and not kind' tests

# One after another: they share the engine, and a Kind cluster has one registry port.
test-kind: env  ## the tests on Kind clusters, and both runtimes compared (needs a container engine and the images)
	@$(HARNESS) tools prepare
	@$(HARNESS) images pull
	$(BIN)/python -m pytest -m kind tests

lint: env  ## style, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint  ## lint, and the unit tests
	$(PYTEST) -m 'not e2e' tests

build: env  ## the sdist, and the wheel that is made from it, in dist/
	rm -f dist/kwok_harness-*
	$(BIN)/python -m build --outdir dist .

benchmarks: env  ## print the figures of the README's table (needs a quiet machine)
	$(BIN)/python tests/benchmarks/startup.py
	$(BIN)/python tests/benchmarks/cell.py
	$(BIN)/python tests/benchmarks/sweep.py

# What chainsaw and kuttl themselves say of the same input; their programs are tools of these comparisons alone.
CHAINSAW ?= .cache/oracles/chainsaw
KUTTL    ?= .cache/oracles/kubectl-kuttl
KUTTL_MODULE := github.com/kudobuilder/kuttl@v0.26.0
TREES    ?= 10000
SEED     ?= 1

.PHONY: conformance-trees
conformance-trees: env $(CHAINSAW)  ## compare our verdicts on TREES random trees, and on the corpus, with chainsaw's (docs/conformance.md)
	CHAINSAW=$(CHAINSAW) $(BIN)/python -m tests.conformance.compare_trees --trees $(TREES) --seed $(SEED)

.PHONY: conformance-kuttl
conformance-kuttl: env $(KUTTL)  ## run the corpus of kuttl with kuttl and with the harness on one control plane, and compare
	KUTTL=$(KUTTL) $(BIN)/python -m tests.conformance.compare_kuttl

.PHONY: benchmark-health
benchmark-health: env $(CHAINSAW)  ## print what 40 real health checks cost here and with chainsaw, on one API server
	CHAINSAW=$(CHAINSAW) $(BIN)/python -m tests.benchmarks.health_checks

# `go install` asks for the list of versions, which a proxy need not have.
.cache/oracles/kubectl-kuttl:
	mkdir -p $(@D)
	cd $(@D) && folder=$$(GOWORK=off go mod download -json $(KUTTL_MODULE) | sed -n 's/^\t"Dir": "\(.*\)",$$/\1/p') && \
	  go build -C "$$folder" -o $(abspath $@) ./cmd/kubectl-kuttl

.cache/oracles/chainsaw:
	GOBIN=$(abspath $(@D)) GOFLAGS=-mod=mod go install github.com/kyverno/chainsaw@v0.2.15

.PHONY: kind-images
kind-images: env  ## make the images of the Kind runtime here, where none can be pulled (as root; docs/kind-images.md)
	@$(BIN)/python -m hack.kind_images

.PHONY: suite-images
suite-images: env  ## make those images that the sample suites alone need (as root; docs/kind-images.md)
	@$(BIN)/python -m hack.kind_images --suites

clean:  ## remove what the targets made here (clusters: kwok-cluster-delete; tools: the cache directory)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov dist/kwok_harness-*
