# The newcomer's commands: `make help` lists them.
#   make demo IMAGE=photo.jpg TEXT="a cat. a red chair"

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

BASE_PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed

# A caller's values reach the recipe through the environment, so that spaces, quotes and dollar
# signs in them are never read by make or by the shell.
ifneq ($(origin IMAGE),undefined)
override IMAGE := $(value IMAGE)
export IMAGE
endif
ifneq ($(origin TEXT),undefined)
override TEXT := $(value TEXT)
export TEXT
endif

DEMO_IMAGE := demo/data/mini/val2017/000000160012.jpg
DEMO_TEXT := a pizza. a bottle. a person
# make runs a recipe that says MAKE itself even in a dry run.
AGAIN := $(MAKE)
# The exit status of expalign where the image side of the default model cannot be had.
NOT_FETCHED := 3

.PHONY: help install demo demo-train test test-slow lint style types clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(STAMP) ## create .venv with everything pinned

# Written last: an interrupted installation is taken up again by the next command.
$(STAMP): requirements.txt pyproject.toml
	@test -n "$(BASE_PYTHON)" || { echo "error: no python3 found; install CPython 3.11" >&2; exit 1; }
	@"$(BASE_PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(BASE_PYTHON) is $$("$(BASE_PYTHON)" -V); the pinned packages need CPython 3.11" \
	       "or newer: make BASE_PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	"$(BASE_PYTHON)" -m venv $(VENV)
	$(PYTHON) -m pip install --disable-pip-version-check -r requirements.txt
	$(PYTHON) -m pip install --disable-pip-version-check --no-build-isolation --no-deps \
	  --use-pep517 -e .
	touch $@

demo: $(STAMP) ## detect TEXT in IMAGE, with masks and without any training
	@status=0; $(PYTHON) -m expalign detect "$${IMAGE-$(DEMO_IMAGE)}" --texts "$${TEXT-$(DEMO_TEXT)}" \
	  --explain --out-dir outputs/demo || status=$$?; \
	if [ "$$status" = $(NOT_FETCHED) ]; then echo "Training a small model instead."; \
	  $(AGAIN) --no-print-directory demo-train; \
	elif [ "$$status" != 0 ]; then exit "$$status"; else \
	  $(PYTHON) demo/test_shipped.py --out outputs/demo; fi

demo-train: $(STAMP) ## train a small model on shipped photographs and detect TEXT in IMAGE
	@$(PYTHON) demo/train_and_detect.py $${IMAGE+--image "$$IMAGE"} $${TEXT+--text "$$TEXT"} \
	  --out outputs/demo-train

lint: style types ## check style and types

style: $(STAMP)
	$(PYTHON) -m ruff check .

# The packages that pyproject.toml names; three quarters of a minute, seconds when run again.
types: $(STAMP)
	$(PYTHON) -m mypy

test: style ## check the style and run the fast tests
	$(PYTHON) -m pytest

test-slow: $(STAMP) ## run the slow tests, and those that need a GPU or EXPALIGN_DATA
	$(PYTHON) -m pytest -m "slow or real_data or gpu"

clean: ## remove caches and build files; .venv, outputs and work_dirs stay
	rm -rf .pytest_cache .ruff_cache .mypy_cache build projects/*.egg-info
	find projects tests tools demo configs -name __pycache__ -type d -prune -exec rm -rf {} +
