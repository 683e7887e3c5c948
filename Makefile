# What one can do here; `make` prints it.
SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
DATA_DIR ?= /var/lib/procorch
# Tests wait a lot, for clusters, disks and time-outs, so two runs more than there are cores. A file's tests stay together:
# they share what it set up. In the order of the folders, where what takes long comes early.
RUNS ?= $(shell n=$$(nproc); echo $$((n < 5 ? n + 2 : 6)))
AT_ONCE = -n $(RUNS) --dist loadfile --no-loadscope-reorder
# Debian 12's pip else warns that it builds cgroupspy, which is no wheel, in a way that ends some day.
export PIP_USE_PEP517 = 1
.DEFAULT_GOAL := help
.PHONY: help install demo demo-down test check e2e faults bench fields reference vm vm-test vm-down format

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# A Debian without python3-venv has a python3 that cannot make environments: ask apt, where there is one and we may.
$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  command -v apt-get >/dev/null || { echo "python3 lacks venv: install your system's python3-venv package" >&2; exit 1; }; \
	  [ "$$(id -u)" = 0 ] || { echo "python3 lacks venv: apt-get install python3-venv as root, then run this again" >&2; exit 1; }; \
	  echo "Installing Debian's python3-venv, with which the environment $(VENV) is made"; \
	  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y python3-venv >/dev/null; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed

install: $(VENV)/.installed  ## procorch into .venv

demo: $(VENV)/.installed  ## a cluster on this host with two applications, left running
	@DATA_DIR=$(DATA_DIR) $(BIN)/python examples/demo.py

demo-down: $(VENV)/.installed  ## what the demo made, gone without a trace
	@$(BIN)/procorch reset --yes --data-dir $(DATA_DIR)

test: $(VENV)/.dev  ## the whole test suite, with what needs root when you are root
	@$(BIN)/python tests/needs.py
	$(BIN)/python -m pytest $(AT_ONCE)

check: $(VENV)/.dev  ## ruff, mypy --strict, import-linter, tests beside modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_tests.py

e2e: $(VENV)/.dev  ## the end-to-end tests alone: a whole cluster, driven by the real kubectl
	@$(BIN)/python tests/needs.py
	$(BIN)/python -m pytest $(AT_ONCE) tests/e2e

faults: $(VENV)/.dev  ## kills, server crashes, failing disks and power cuts by the thousand, pods under faults: more than an hour
	@$(BIN)/python tests/needs.py
	FAULTS=long $(BIN)/python -m pytest tests/faults tests/e2e/test_master_kills.py tests/e2e/test_pod_faults.py \
	  tests/procorch/kubelet/test_crash_steps.py tests/procorch/api/test_model.py \
	  tests/procorch/api/test_openapi_fuzz.py tests/procorch/api/test_mutations.py tests/procorch/api/test_charges.py \
	  tests/procorch/controllers/test_failpoints.py tests/procorch/controllers/test_workload_failpoints.py \
	  --durations=0

bench: $(VENV)/.dev  ## how fast and how small, as a table
	$(BIN)/python -m bench

fields: $(VENV)/.dev  ## the field tables of the API, made anew from the schema packages
	$(BIN)/python tools/make_fields.py

reference: $(VENV)/.dev  ## docs/api: every kind, verb and field that is served
	$(BIN)/python tools/make_reference.py

vm: $(VENV)/.dev  ## a cluster of three machines by vagrant, looked at with kubectl, left running
	@command -v vagrant >/dev/null || { echo "vagrant is not on this machine: install it and a hypervisor that it drives (VirtualBox, or vagrant-libvirt)" >&2; exit 1; }
	cd vm && vagrant up
	@$(BIN)/python -m vm.smoke

vm-test: $(VENV)/.dev  ## what only machines can tell: restarts, power cuts, limits; after `make vm`, some ten minutes
	PROCORCH_VM=1 $(BIN)/python -m pytest -v tests/vm

vm-down:  ## those machines, gone
	cd vm && vagrant destroy --force

format: $(VENV)/.dev  ## ruff's formatting and safe fixes
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .
