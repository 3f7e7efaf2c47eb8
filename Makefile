# Every target is one command that a person can read. PYTHON chooses the interpreter (3.11 or newer).
PYTHON ?= python3
PORT ?= 3000
# Environments: what serves (small, with the runtime of this machine), what trains and tests (with torch), and what
# tests the service alone (without torch). Each is made again where the requirements or the interpreter are others.
SERVE := .venv
DEV := .venv-dev
TEST := .venv-test
FOUND = $(shell $(PYTHON) -c 'import sys; print(sys.implementation.name + ".".join(map(str, sys.version_info[:3])))' 2>/dev/null)
INSTALLED := .installed-$(or $(FOUND),by-none)
# ONNX Runtime comes in two builds: on a machine with an NVIDIA driver the GPU one.
RUNTIME ?= $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' service/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

.PHONY: help serve setup test test-service lint train export verify bench soak chaos figures figures-check protos image requirements clean

help:  ## show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

serve: $(SERVE)/$(INSTALLED)  ## set up what serves (no torch) and serve the shipped model on port 3000
	$(SERVE)/bin/python -m service --port $(PORT)

setup: $(DEV)/$(INSTALLED)  ## set up what trains, tests and lints (with PyTorch) in .venv-dev

test: $(DEV)/$(INSTALLED)  ## set up everything and run the tests
	$(DEV)/bin/python -m pytest

test-service: $(TEST)/$(INSTALLED)  ## the service's tests alone, without torch: what a further Python is tried with
	$(TEST)/bin/python -m pytest tests/service

lint: $(DEV)/$(INSTALLED)  ## style, types, and the import contract
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

train: $(DEV)/$(INSTALLED)  ## train the shipped model again (MNIST below DIGITS_DATA, or downloaded)
	$(DEV)/bin/python -m training train --seed 1 --threads 1

export: $(DEV)/$(INSTALLED)  ## export the last checkpoint to models/digits/1, if parity holds
	$(DEV)/bin/python -m training export

verify: $(DEV)/$(INSTALLED)  ## hold numpy reference, PyTorch and ONNX Runtime against each other
	$(DEV)/bin/python -m training verify

bench: $(DEV)/$(INSTALLED)  ## measure this service beside what else one could take (needs wrk)
	$(DEV)/bin/python -m benchmarks

soak: $(DEV)/$(INSTALLED)  ## twenty minutes of mixed load: memory, errors, drift of the latency
	$(DEV)/bin/python -m benchmarks.soak

chaos: $(DEV)/$(INSTALLED)  ## hostile requests, overload, killed workers, restarts under load
	$(DEV)/bin/python -m benchmarks.chaos

figures: $(DEV)/$(INSTALLED)  ## draw the figures of docs/ again, from the shipped model
	$(DEV)/bin/python -m training.study.figures

figures-check: $(DEV)/$(INSTALLED)  ## measure the figures of README and guides again, and say which have moved (8 minutes)
	$(DEV)/bin/python -m benchmarks.figures

protos: $(DEV)/$(INSTALLED)  ## compile the gRPC messages again, after a change of service/api/protos/*.proto
	cd service/api/protos && $(abspath $(DEV))/bin/python -m grpc_tools.protoc -I. --descriptor_set_out=protos.binpb \
		open_inference.proto health.proto

image:  ## build the Docker image and check that it answers
	docker build --build-arg RUNTIME=$(RUNTIME) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
		-t digit-service:$(RUNTIME) .

requirements:  ## renew the pinned requirement files from pyproject.toml
	$(DEV)/bin/python -m pip install --quiet uv
	for name in cpu gpu; do $(COMPILE) --extra $$name --extra grpc -o requirements/$$name.txt || exit 1; done
	$(COMPILE) --extra cpu --extra grpc --extra test -o requirements/test.txt
	$(COMPILE) --extra cpu --extra grpc --extra train --extra test --extra dev -o requirements/dev.txt

clean:  ## remove what can be made again
	rm -rf $(SERVE) $(DEV) $(TEST) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

COMPILE = $(DEV)/bin/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command 'make requirements'

# uv installs the same pinned files as pip, about ten times faster; where it cannot be had, pip does it.
# The third argument: byte code made at once, which the many processes of the tests share (`import torch`: 2.6 s of a core, 5.0 without).
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "error: PYTHON=$(PYTHON) is" \
		"$(or $(FOUND),nothing that runs), expected Python 3.11 or newer; name one: make serve PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(if $(wildcard $(1)/$(INSTALLED)),,--clear) $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check uv && $(1)/bin/uv pip install --quiet $(3) \
		--python $(1)/bin/python --require-hashes -r $(2) || \
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(2)
	touch $(1)/$(INSTALLED)
endef

$(SERVE)/$(INSTALLED): requirements/$(RUNTIME).txt
	$(call install,$(SERVE),$<)

$(DEV)/$(INSTALLED): requirements/dev.txt
	$(call install,$(DEV),$<,--compile-bytecode)

$(TEST)/$(INSTALLED): requirements/test.txt
	$(call install,$(TEST),$<,--compile-bytecode)
