# Needs nothing but make and a Python of 3.10 to 3.13 with its venv module.

PYTHON ?=
TEST_FLAGS ?=
LOCK_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SUPPORTED := import sys; raise SystemExit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
UV := uv==0.13.9

.DEFAULT_GOAL := help
.PHONY: help install run run-vast test vast-sdk-tests lint format docs bench soak lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | while IFS="$$(printf '\t')" read -r name does; do printf '  make %-14s %s\n' "$$name" "$$does"; done

install: $(STAMP)  ## .venv, with what requirements.lock says and the project itself

run: install  ## the service, with TAMS_* variables and .env as settings
	@exec $(BIN)/tams run

run-vast: install  ## the service on an emulator of VAST Database, to try that engine
	@exec $(BIN)/python -m tests.vast_emulator.service

test: install  ## every test but the soak tests, and the examples in docstrings, two at a time; TEST_FLAGS for pytest
	@$(BIN)/python -m pytest --doctest-modules tests tams_data dashboards -n 2 --dist loadfile --no-loadscope-reorder $(TEST_FLAGS)

vast-sdk-tests: install  ## the tests that ship with the VAST SDK, against the emulator; `make test` runs them too
	@$(BIN)/python -m tests.vast_emulator.sdk_tests $(TEST_FLAGS)

lint: install  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: install  ## what ruff can mend by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: install  ## the documentation as a site, into build/site; needs Python 3.11
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build --strict

bench: install  ## the benchmarks
	@$(BIN)/python -m tests.benchmarks

soak: install  ## the tests that run for minutes
	@$(BIN)/python -m pytest -m soak $(TEST_FLAGS)

# Keeps every version that still fits; LOCK_FLAGS=--upgrade takes the newest of each.
lock:  ## requirements.lock again, from pyproject.toml
	@$(find_python); folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	"$$python" -m venv "$$folder" && "$$folder/bin/python" -m pip install -qq $(UV) && \
	"$$folder/bin/uv" pip compile --quiet --universal --python-version 3.10 --extra notebooks --extra dev --extra docs --generate-hashes \
	  --only-binary :all: --emit-build-options --custom-compile-command 'make lock' $(LOCK_FLAGS) \
	  --output-file requirements.lock pyproject.toml

clean:  ## away with .venv and caches; the data folder stays
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

define find_python
for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.10); do \
  "$$python" -c '$(SUPPORTED)' 2>/dev/null && break; python=; \
done; \
if [ -z "$$python" ]; then \
  echo 'Needs Python 3.10 to 3.13; $(or $(PYTHON),python3) is:' "$$($(or $(PYTHON),python3) --version 2>&1)." >&2; \
  echo 'Name another one: make PYTHON=/path/to/python3.12 ...' >&2; exit 1; \
fi
endef

# The stamp comes last, so an install that was cut short is done again. A .venv whose Python still works is kept.
$(STAMP): pyproject.toml requirements.lock
	@rm -f $@; $(BIN)/python -c '$(SUPPORTED)' 2>/dev/null && [ -z '$(PYTHON)' ] || { \
	  $(find_python); echo "Making $(VENV) with $$("$$python" --version)"; "$$python" -m venv --clear $(VENV); }
	@echo 'Installing what requirements.lock says; the first time takes a minute'
	@$(BIN)/python -m pip install -qq --requirement requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@
