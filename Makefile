# The two commands of the paper are `make reproduce` and `make test`; `make help` names the others.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.ONESHELL:
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables
.DEFAULT_GOAL := help

# The Python that makes the environment, and more options for pip, for example
#   make reproduce PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PYTHON ?= python3
PIP_FLAGS ?=
# A new or empty folder for `make smoke`; empty: a fresh one that nobody else can enter.
SMOKE_DIR ?=
# Processes that run the tests, a file at a time, or the files that share something; 0: this one alone.
TEST_PROCESSES ?= 2

SIDE_BY_SIDE = --numprocesses $(TEST_PROCESSES) --dist loadscope --no-loadscope-reorder

VENV := .venv
READY := $(VENV)/.ready
# Stages start `precip-sae` by name: it has to be this environment's.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
unexport PYTHONPATH PRECIP_SAE_ROOT

.PHONY: help
help: ## Say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Made once, and again when the locked versions change.
$(READY): requirements.lock pyproject.toml
	@if ! command -v $(PYTHON) > /dev/null; then
	  echo "No $(PYTHON) on this machine: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3." >&2
	  exit 1
	fi
	if ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
	  echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), expected Python 3.11 or newer: make PYTHON=/path/to/python3." >&2
	  exit 1
	fi
	echo "Installing the locked packages into $(VENV) (once, a few minutes) ..."
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet $(PIP_FLAGS) --requirement requirements.lock
	$(VENV)/bin/python -m pip install --quiet $(PIP_FLAGS) --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: reproduce
reproduce: $(READY) ## Redo everything, from the data to the PDF, and say which claims hold and what is as the authors got it
	@if [ ! -e .git ]; then dvc config --local core.no_scm true; fi
	dvc pull --quiet data.dvc
	@rm -rf .simulated # tables that an earlier run kept
	precip-sae repro --force
	precip-sae verify --quick

.PHONY: test
test: $(READY) ## Run the tests
	@python -m pytest $(SIDE_BY_SIDE)

.PHONY: test-all
test-all: $(READY) ## Run the tests, and those that take minutes
	@python -m pytest $(SIDE_BY_SIDE) -m ""

.PHONY: verify
verify: $(READY) ## Redo what is out of date and hold every claim against the numbers
	@if [ ! -e .git ]; then dvc config --local core.no_scm true; fi
	precip-sae repro
	precip-sae verify

.PHONY: diff
REF ?= HEAD
diff: $(READY) ## Show what changed since REF (a tag, branch, commit or folder) in claims, numbers, figures and text
	@precip-sae diff "$(REF)"

.PHONY: opposite
OPPOSITE_DIR ?= /tmp/precip-sae-opposite
opposite: $(READY) ## Compile the manuscript with its effects found, absent, reversed and mixed, in OPPOSITE_DIR, to be read
	@mkdir -p "$(OPPOSITE_DIR)"
	PRECIP_SAE_OPPOSITE="$(OPPOSITE_DIR)" python -m pytest tests/manuscript/test_opposite_results.py -k compiles

.PHONY: archive
archive: $(READY) ## Write build/precip-sae-VERSION.zip of the last commit: all of it, described for machines
	@precip-sae archive

.PHONY: journal
journal: $(READY) ## Write build/journal: LaTeX with figures, tables and literature, and a Word file, for a submission
	@precip-sae journal

.PHONY: smoke
smoke: $(READY) ## Make the whole paper from little data, in SMOKE_DIR or a fresh folder: minutes
	@folder='$(subst ','\'',$(SMOKE_DIR))'
	precip-sae smoke -- "$${folder:-$$(mktemp -d -t precip-sae-smoke.XXXXXX)}"

# Keras as published has an environment of its own: TensorFlow 2.17 and numpy 2 do not go together.
KERAS ?= .venv-keras
$(KERAS)/.ready: benchmarks/keras-requirements.txt
	@$(PYTHON) -m venv $(KERAS)
	$(KERAS)/bin/python -m pip install --quiet $(PIP_FLAGS) --requirement benchmarks/keras-requirements.txt
	touch $@

JAX ?= .venv-jax
$(JAX)/.ready: benchmarks/jax-requirements.txt
	@$(PYTHON) -m venv $(JAX)
	$(JAX)/bin/python -m pip install --quiet $(PIP_FLAGS) --requirement benchmarks/jax-requirements.txt
	touch $@

.PHONY: bench
bench: $(READY) $(if $(KERAS),$(KERAS)/.ready) $(if $(JAX),$(JAX)/.ready) ## Measure the speed beside other libraries; minutes
	@python benchmarks/speed.py --keras "$(if $(KERAS),$(KERAS)/bin/python,none)" --jax "$(if $(JAX),$(JAX)/bin/python,none)"
	python benchmarks/scaling.py

.PHONY: torture
torture: $(READY) ## Kill and interrupt stages, ingest, task run and searches at random moments; an hour
	@python benchmarks/torture.py

.PHONY: paths
paths: $(READY) ## Try other surroundings (folders, locales, no network, no room on the disk, other Pythons); minutes
	@python -m pytest -m "" tests/paths tests/hostile

.PHONY: lint
lint: $(READY) ## Check the style and the types of the code
	@ruff check .
	ruff format --check .
	mypy

DOCS := .venv-docs
$(DOCS)/.ready: docs/requirements.txt
	@$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet $(PIP_FLAGS) --requirement docs/requirements.txt
	touch $@

.PHONY: docs
docs: $(READY) $(DOCS)/.ready ## Build docs/site from the README, the settings and the docstrings
	@python docs/write_pages.py
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict --config-file docs/mkdocs.yml

.PHONY: clean
clean: ## Remove the environment and what tools leave behind; results stay
	@rm -rf $(VENV) $(KERAS) $(JAX) $(DOCS) docs/pages docs/site .pytest_cache .ruff_cache .mypy_cache .hypothesis .earlier .search .simulated build src/*.egg-info precip-sae-error.log
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
