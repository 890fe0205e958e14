# Every target sets up what it needs; on a fresh Debian only python3, make and git are assumed.
SHELL := /bin/bash
PY := .venv/bin/python
# Tests start hundreds of processes. Without kept bytecode each compiles every module again: a server then takes
# 5.6 s of CPU to start and stop instead of 2.7 s. It is kept out of the source tree.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.venv/bytecode
# Tests wait for servers more than they compute. Each worker has a server of its own; a file stays with one worker.
# The files are begun in the order of tests/conftest.py: long ones first.
SIDE_BY_SIDE := -n 4 --dist loadfile --no-loadscope-reorder

.PHONY: setup run demo test test-all test-faults check bench lock sdk clean

setup: .venv/.done

.venv/.done: requirements.lock pyproject.toml scripts/setup.sh
	bash scripts/setup.sh
	touch .venv/.done

run: setup
	.venv/bin/trackway serve --data data

demo: setup
	$(PY) -m examples.shop --data demo-data

check: setup
	.venv/bin/ruff check src tests benchmarks examples
	.venv/bin/ruff format --check src tests benchmarks examples
	.venv/bin/mypy
	.venv/bin/lint-imports

test: setup
	bash scripts/browser.sh
	$(MAKE) check
	TMPDIR=$$(bash scripts/temp-folder.sh) .venv/bin/pytest -m "not faults and not slow" $(SIDE_BY_SIDE)

test-all: setup
	bash scripts/browser.sh
	$(MAKE) check
	TMPDIR=$$(bash scripts/temp-folder.sh) .venv/bin/pytest -m "not faults" $(SIDE_BY_SIDE)

test-faults: setup
	.venv/bin/pytest -m faults

bench: setup
	$(PY) -m benchmarks

lock: setup
	bash scripts/lock.sh

sdk: setup
	bash scripts/build-sdk.sh

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
