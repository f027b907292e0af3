# One command for everything. `make` lists them. Needs sh and Python >= 3.11; the rest is installed on
# first use: packages into .venv, from requirements/dev.txt with hashes, WireMock into .cache.

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
# embedded or compose, registry or packages; empty: the first that works.
STACK ?=
IMAGES ?=
WORKERS ?= 4
SHUFFLED = $(if $(filter 1,$(SHUFFLE)),--shuffle,$(if $(SHUFFLE),--shuffle $(SHUFFLE)))
BIN := .venv/bin
INSTALLED := .venv/.installed
# Where caches go; nothing is written outside the repository.
export RUFF_CACHE_DIR := .cache/ruff
export MYPY_CACHE_DIR := .cache/mypy
export COVERAGE_FILE := .cache/coverage
export HYPOTHESIS_STORAGE_DIRECTORY := .cache/hypothesis

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help load load-capacity load-drain load-diff load-faults bench check test unit e2e test-integration demo-failure report mutants up shell lock proto clean

help: ## list the targets
	@awk -F '[ :].*## ' '/^[a-z0-9-]+[ :].*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  Variables: WORKERS=4, SHUFFLE=1 (or a seed), ARGS="pytest arguments", PYTHON=python3'

.venv/.packages: requirements/dev.txt
	@test -n "$(PYTHON)" || { echo "Python >= 3.11 not found: install it, or name it with PYTHON=..."; exit 1; }
	@echo "installing requirements/dev.txt into .venv ..."
	@$(BIN)/python -c '' 2>/dev/null || "$(PYTHON)" -m venv --clear .venv \
		|| { echo "the venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(INSTALLED): .venv/.packages pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

check: $(INSTALLED) ## format, lint, types, import rules
	@mkdir -p .cache
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check .; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@PYTHONPATH=. $(BIN)/lint-imports --no-cache > .cache/imports.txt || { cat .cache/imports.txt; exit 1; }
	@echo "check: clean"

unit: $(INSTALLED) ## unit and contract tests with coverage
	@mkdir -p .cache
	@$(BIN)/pytest -q -n 2 --dist worksteal --cov=fetchbox --cov-report= $(ARGS)
	@$(BIN)/coverage report --skip-covered --fail-under=93
	@$(BIN)/coverage report --include='fetchbox/model/*' --fail-under=100 > .cache/model-coverage.txt \
		|| { cat .cache/model-coverage.txt; echo "fetchbox/model has to be covered in full"; exit 1; }

e2e: ## integration tests on the best stack there is; STACK=embedded|compose IMAGES=registry|packages KEEP=1
	@$(COMPOSE_ENV) sh compose/e2e.sh

test-integration: ## integration tests on the compose stack
	@$(MAKE) --no-print-directory e2e STACK=compose

e2e-embedded: $(INSTALLED)
	@$(BIN)/python -m runner test --workers $(WORKERS) $(SHUFFLED) -- $(ARGS)

test: check unit ## everything that needs no Docker: check, unit, contract, integration
	@$(MAKE) --no-print-directory e2e-embedded ARGS=

images: ## get the images of the compose stack: IMAGES=registry|packages
	@$(COMPOSE_ENV) sh compose/images.sh

shell: ## a shell beside a running stack: compose, or with STACK=embedded processes
ifeq ($(STACK),embedded)
	@$(MAKE) --no-print-directory shell-embedded
else
	@$(COMPOSE_ENV) sh compose/dev.sh shell
endif

shell-embedded: $(INSTALLED)
	@$(BIN)/python -m runner shell

watch: ## run tests in the compose stack whenever code changes: ARGS="tests/integration/... -k ..."
	@$(COMPOSE_ENV) sh compose/dev.sh watch $(ARGS)

logs: ## follow the logs of the compose stack that is up
	@sh compose/dev.sh logs $(SERVICE)

down: ## take the compose stack away that make shell or KEEP=1 left
	@sh compose/dev.sh down

doctor: ## what this machine has for the stacks, and how to get what is missing
	@sh compose/doctor.sh

demo-failure: $(INSTALLED) ## run cases that are broken on purpose, to see what a red report looks like
	@$(BIN)/python -m runner test --workers 2 -- tests/planted/test_product.py tests/planted/test_stub.py \
		tests/integration/test_ingest_to_storage.py $(ARGS); code=$$?; \
		test $$code = 1 || { echo "the planted faults should have failed with 1, not $$code"; exit 1; }
	@echo "As planned. Picture of the report for docs/testing.md: $(BIN)/python scripts/screenshot.py"

report: $(INSTALLED) ## make artifacts/report.html again, with whatever evidence has come since
	@$(BIN)/python -m runner report

mutants: $(INSTALLED) ## the tests against bugs seeded in tests/mutants: all must be noticed
	@$(BIN)/python -m runner mutants --workers $(WORKERS) $(ARGS)

up: $(INSTALLED) ## keep an embedded stack running and print its addresses
	@$(BIN)/python -m runner up

# What a script of compose/ is told. E2E_ARGS follows `python -m runner test` in the container.
COMPOSE_ENV = STACK='$(STACK)' IMAGES='$(IMAGES)' KEEP='$(KEEP)' BROKER='$(BROKER)' WORKERS='$(WORKERS)' \
	SHUFFLE='$(SHUFFLE)' ARGS='$(ARGS)' E2E_ARGS='$(strip --workers $(WORKERS) $(SHUFFLED) $(if $(ARGS),-- $(ARGS)))'

# RATE=10 DURATION=30 RESOURCES=5 SIZE=20kB STAGES= PROXIED=0 ERRORS=0 and the rest of `scripts/load_test.py --help`
# are read from the environment, where make puts what stands on its command line.
ifeq ($(STACK),compose)
LOAD = $(COMPOSE_ENV) sh compose/dev.sh load
LOAD_DIFF = $(COMPOSE_ENV) sh compose/dev.sh load-diff
else
LOAD = $(BIN)/python scripts/load_test.py
LOAD_DIFF = $(BIN)/python -m tests.load.diff
load-capacity load-drain load-diff load: $(INSTALLED)
endif

load: ## send a load and judge it: RATE=10 DURATION=30 SIZE=20kB STAGES=ramp|spike|soak ... STACK=compose
	@$(LOAD) $(ARGS)

load-capacity: ## the highest rate the service sustains, found by its backlog; RATE= to begin with
	@DURATION="$${DURATION:-10}" $(LOAD) --capacity $(ARGS)

load-drain: ## send with the workers stopped, start them, time the drain; RATE= DURATION= make the backlog
	@$(LOAD) --outage $(ARGS)

load-diff: ## this version against BASE=<git ref>, interleaved ABBA, with intervals; PAIRS=6 of DURATION=10
	@$(LOAD_DIFF) $(ARGS)

load-faults: $(INSTALLED) ## load runs with faults planted into them: each must be noticed
	@$(BIN)/python -m runner test --workers 1 -- tests/load/faults $(ARGS)

bench: $(INSTALLED) ## every goal of docs/benchmarks.md, measured; FULL=1 at full size, ARGS="--only G1,G6"; needs Go
	@$(BIN)/python -m tests.load.bench $(ARGS)

lock: $(INSTALLED) ## compile requirements/*.txt from pyproject.toml
	@$(LOCK) --extra iggy -o requirements/service.txt
	@$(LOCK) --extra iggy --extra runner -c requirements/service.txt -o requirements/runner.txt
	@$(LOCK) --extra iggy --extra dev -c requirements/service.txt -o requirements/dev.txt

# Universal, with hashes, and without the address of any index.
LOCK = UV_NO_CONFIG=1 $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate

proto: $(INSTALLED) ## generate the wire bindings from proto/jobs.proto
	@$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=fetchbox/wire --pyi_out=fetchbox/wire proto/jobs.proto

clean: ## remove what was built, cached and reported; .venv stays
	@rm -rf artifacts build dist .cache .coverage .coverage.* .hypothesis .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
