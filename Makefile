# Every target is one command that a person can read. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
PORT ?= 3000
# Two environments: what serves (small, with the runtime of this machine), and what trains and tests (with torch).
SERVE := .venv
DEV := .venv-dev
# ONNX Runtime comes in two builds: on a machine with an NVIDIA driver the GPU one.
RUNTIME ?= $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' service/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

.PHONY: help serve test lint train export verify bench soak chaos figures image requirements clean

help:  ## show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

serve: $(SERVE)/.installed  ## set up what serves (no torch) and serve the shipped model on port 3000
	$(SERVE)/bin/python -m service --port $(PORT)

test: $(DEV)/.installed  ## set up everything and run the tests
	$(DEV)/bin/python -m pytest

lint: $(DEV)/.installed  ## style, types, and the import contract
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

train: $(DEV)/.installed  ## train the shipped model again (MNIST below DIGITS_DATA, or downloaded)
	$(DEV)/bin/python -m training train --seed 1 --threads 1

export: $(DEV)/.installed  ## export the last checkpoint to models/digits/1, if parity holds
	$(DEV)/bin/python -m training export

verify: $(DEV)/.installed  ## hold numpy reference, PyTorch and ONNX Runtime against each other
	$(DEV)/bin/python -m training verify

bench: $(DEV)/.installed  ## measure this service beside what else one could take (needs wrk)
	$(DEV)/bin/python -m benchmarks

soak: $(DEV)/.installed  ## twenty minutes of mixed load: memory, errors, drift of the latency
	$(DEV)/bin/python -m benchmarks.soak

chaos: $(DEV)/.installed  ## hostile requests, overload, killed workers, restarts under load
	$(DEV)/bin/python -m benchmarks.chaos

figures: $(DEV)/.installed  ## draw the figures of docs/ again, from the shipped model
	$(DEV)/bin/python -m training.study.figures

image:  ## build the Docker image and check that it answers
	docker build --build-arg RUNTIME=$(RUNTIME) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
		-t digit-service:$(RUNTIME) .

requirements:  ## renew the pinned requirement files from pyproject.toml
	$(DEV)/bin/python -m pip install --quiet uv
	for name in cpu gpu; do $(COMPILE) --extra $$name -o requirements/$$name.txt || exit 1; done
	$(COMPILE) --extra cpu --extra train --extra test --extra dev -o requirements/dev.txt

clean:  ## remove what can be made again
	rm -rf $(SERVE) $(DEV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

COMPILE = $(DEV)/bin/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command 'make requirements'

# uv installs the same pinned files as pip, about ten times faster; where it cannot be had, pip does it.
define install
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check uv && $(1)/bin/uv pip install --quiet \
		--python $(1)/bin/python --require-hashes -r $(2) || \
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(2)
	touch $(1)/.installed
endef

$(SERVE)/.installed: requirements/$(RUNTIME).txt
	$(call install,$(SERVE),$<)

$(DEV)/.installed: requirements/dev.txt
	$(call install,$(DEV),$<)
