# One command for everything. `make` lists them. Needs sh and Python >= 3.11; the rest is installed on
# first use: packages into .venv, from requirements/dev.txt with hashes, WireMock into .cache.

PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
STACK ?= embedded
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
.PHONY: help bench bench-memory check test unit e2e test-integration demo-failure report up shell lock clean

help: ## list the targets
	@awk -F '[ :].*## ' '/^[a-z0-9-]+[ :].*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  Variables: WORKERS=4, SHUFFLE=1 (or a seed), ARGS="pytest arguments", STACK=embedded, PYTHON=python3'

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
	@$(BIN)/pytest -q --cov=fetchbox --cov-report= $(ARGS)
	@$(BIN)/coverage report --skip-covered --fail-under=93
	@$(BIN)/coverage report --include='fetchbox/model/*' --fail-under=100 > .cache/model-coverage.txt \
		|| { cat .cache/model-coverage.txt; echo "fetchbox/model has to be covered in full"; exit 1; }

e2e test-integration: $(INSTALLED) ## integration tests on the best stack there is
	@test "$(STACK)" = embedded || { echo "STACK=$(STACK): there is embedded"; exit 2; }
	@echo "stack: embedded (processes on this machine; needs no Docker)"
	@$(BIN)/python -m runner test --workers $(WORKERS) $(SHUFFLED) -- $(ARGS)

test: check unit ## everything: check, unit, contract, integration
	@$(MAKE) --no-print-directory e2e STACK=embedded ARGS=

demo-failure: $(INSTALLED) ## run cases that are broken on purpose, to see what a red report looks like
	@$(BIN)/python -m runner test --workers 2 -- tests/planted/test_product.py tests/planted/test_stub.py \
		tests/integration/test_ingest_to_storage.py $(ARGS); code=$$?; \
		test $$code = 1 || { echo "the planted faults should have failed with 1, not $$code"; exit 1; }
	@echo "As planned. Picture of the report for docs/testing.md: $(BIN)/python scripts/screenshot.py"

report: $(INSTALLED) ## make artifacts/report.html again, with whatever evidence has come since
	@$(BIN)/python -m runner report

up: $(INSTALLED) ## keep a stack running and print its addresses
	@$(BIN)/python -m runner up

shell: $(INSTALLED) ## a shell with a running stack in its environment
	@$(BIN)/python -m runner shell

bench: $(INSTALLED) ## the whole path against the raw relay; needs Go for origin and sink
	@$(BIN)/python -m tests.load.bench $(ARGS)

bench-memory: $(INSTALLED) ## how much large bodies make a worker grow; needs Go too
	@$(BIN)/python -m tests.load.bench.memory

lock: $(INSTALLED) ## compile requirements/*.txt from pyproject.toml
	@$(LOCK) --extra iggy -o requirements/service.txt
	@$(LOCK) --extra iggy --extra runner -c requirements/service.txt -o requirements/runner.txt
	@$(LOCK) --extra iggy --extra dev -c requirements/service.txt -o requirements/dev.txt

# Universal, with hashes, and without the address of any index.
LOCK = UV_NO_CONFIG=1 $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate

clean: ## remove what was built, cached and reported; .venv stays
	@rm -rf artifacts build dist .cache .coverage .coverage.* .hypothesis .pytest_cache .mypy_cache .ruff_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
