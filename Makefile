# Every target is one readable command. PYTHON names the interpreter (3.11 or newer).
PYTHON ?= python3
PORT ?= 3000
# Environments: to serve (small, with the runtime of this machine), to train and test (with PyTorch), and to test only the
# service (without PyTorch). Each is made again if its requirements or the interpreter change.
SERVE := .venv
DEV := .venv-dev
TEST := .venv-test
FOUND = $(shell $(PYTHON) -c 'import sys; print(sys.implementation.name + ".".join(map(str, sys.version_info[:3])))' 2>/dev/null)
INSTALLED := .installed-$(or $(FOUND),by-none)
# ONNX Runtime has two builds: the GPU one is taken on a machine with an NVIDIA driver.
RUNTIME ?= $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' service/__init__.py)
REVISION = $(shell git rev-parse HEAD 2>/dev/null || echo unknown)

.PHONY: help serve setup test test-service lint train export verify bench soak chaos figures figures-check protos image requirements clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

serve: $(SERVE)/$(INSTALLED)  ## install what serves (no PyTorch) and start the service on port 3000
	$(SERVE)/bin/python -m service --port $(PORT)

setup: $(DEV)/$(INSTALLED)  ## install everything (PyTorch, tests, linters) in .venv-dev

test: $(DEV)/$(INSTALLED)  ## run all tests
	$(DEV)/bin/python -m pytest

test-service: $(TEST)/$(INSTALLED)  ## run the service's tests without PyTorch, as CI does on further Pythons
	$(TEST)/bin/python -m pytest tests/service

lint: $(DEV)/$(INSTALLED)  ## check style, types and imports
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

train: $(DEV)/$(INSTALLED)  ## train the shipped model again (docs/train.md)
	$(DEV)/bin/python -m training train --seed 1 --threads 1

export: $(DEV)/$(INSTALLED)  ## write models/digits/1 from the last checkpoint, if the parity check passes
	$(DEV)/bin/python -m training export

verify: $(DEV)/$(INSTALLED)  ## check that NumPy reference, PyTorch and ONNX Runtime agree
	$(DEV)/bin/python -m training verify

bench: $(DEV)/$(INSTALLED)  ## compare with FastAPI and BentoML's quick start under load (needs wrk)
	$(DEV)/bin/python -m benchmarks

soak: $(DEV)/$(INSTALLED)  ## 20 minutes of mixed load: memory, errors, latency
	$(DEV)/bin/python -m benchmarks.soak

chaos: $(DEV)/$(INSTALLED)  ## hostile requests, overload, killed workers, restarts under load
	$(DEV)/bin/python -m benchmarks.chaos

figures: $(DEV)/$(INSTALLED)  ## draw the figures of docs/ again
	$(DEV)/bin/python -m training.study.figures

figures-check: $(DEV)/$(INSTALLED)  ## measure the figures of README and guides again (10 minutes)
	$(DEV)/bin/python -m benchmarks.figures

protos: $(DEV)/$(INSTALLED)  ## compile service/api/protos/*.proto again
	cd service/api/protos && $(abspath $(DEV))/bin/python -m grpc_tools.protoc -I. --descriptor_set_out=protos.binpb \
		open_inference.proto health.proto

image:  ## build the Docker image and check that it answers
	docker build --build-arg RUNTIME=$(RUNTIME) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
		-t digit-service:$(RUNTIME) .

requirements:  ## pin requirements/*.txt again from pyproject.toml
	$(DEV)/bin/python -m pip install --quiet uv
	for name in cpu gpu; do $(COMPILE) --extra $$name --extra grpc --extra heic -o requirements/$$name.txt || exit 1; done
	$(COMPILE) --extra cpu --extra grpc --extra heic --extra test -o requirements/test.txt
	$(COMPILE) --extra cpu --extra grpc --extra heic --extra train --extra test --extra dev -o requirements/dev.txt

clean:  ## remove environments and caches
	rm -rf $(SERVE) $(DEV) $(TEST) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

COMPILE = $(DEV)/bin/uv pip compile -q pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command 'make requirements'

# uv installs the same pinned files as pip, about ten times faster; if it cannot be installed, pip does it.
# Third argument: compile byte code now, for the many processes of the tests (`import torch`: 2.6 s of a core, 5.0 without).
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
