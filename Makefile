# Every target does its own set-up, in .venv. Needs git, make and Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
RUNS := $(VENV)/.runs

.DEFAULT_GOAL := help
.PHONY: help setup demo browser minors test linted tests check lint types fix bench docs clean

help:  ## What can be made.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST)

# Bytecode is written here once, by all cores: start-up counts, also where Python is told to write none. Packages
# have files that no Python can read, and tests of their own, which nobody imports.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'lathe needs Python 3.11 or newer: make PYTHON=python3.11' >&2; exit 1; }
	@echo 'set up in $(VENV), which takes a minute or two:'
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check --no-compile --editable '$(1)'
	@$(BIN)/python -m compileall -q -j 0 src
	@$(BIN)/python -m compileall -qq -j 0 -x /tests/ $(VENV)/lib || true
endef

$(STAMP): pyproject.toml constraints.txt
	$(call install,.[dev])
	@touch $(RUNS) $@

# What runs Lathe, without what tests it.
$(RUNS): pyproject.toml constraints.txt
	$(call install,.)
	@touch $@

setup: $(STAMP)  ## A virtual environment in .venv with everything in it.

demo: $(RUNS)  ## An app admitted, and a copy with one guard weakened refused.
	@$(BIN)/python examples/demo.py

check: lint types  ## Format, lint and types, without the tests.

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/oxlint

types: $(STAMP)
	$(BIN)/mypy

browser: $(STAMP)  ## A Chromium for the tests of the console, found or installed.
	@$(BIN)/python tests/console/browser.py

minors: $(STAMP)  ## Other Pythons of this machine, for the tests that compare bytes.
	@$(BIN)/python tests/sim/minors.py

# Types are checked beside all else: what is made ready waits for downloads, many tests for a process or a page.
test: $(STAMP)  ## Everything that must hold before a commit.
	@$(MAKE) --no-print-directory -j 4 types linted

# What is quick to say comes before the tests.
linted: lint browser minors
	@$(MAKE) --no-print-directory tests

# Two workers more than there are cores, since many wait. Sources that have changed are compiled for all children.
tests: $(STAMP)
	@$(BIN)/python -m compileall -q src
	$(BIN)/pytest -n $$($(BIN)/python -c 'import os; print(2 + (os.cpu_count() or 1))') --dist worksteal

fix: $(STAMP)  ## Let the formatter and the linter mend what they can.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)  ## The figures of the docs, measured here and written there.
	$(BIN)/python bench/tables.py

docs: $(STAMP)  ## Write the generated parts of docs/, and the conformance vectors.
	$(BIN)/python -m lathe.cli.docs
	$(BIN)/python conformance/make.py

clean:  ## Remove what was made.
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
