# `make help` lists the targets. Everything a target needs is set up by it: nothing is assumed but make, Debian and a network
# that reaches the package registries.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.setup-done
CLUSTER := deploy/devcluster/devcluster
HOST := deploy/host/ensure.sh

.PHONY: help setup java jars demo test test-full check unit bench devcluster devcluster-down cluster-demo clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): setup.cfg pyproject.toml
	@$(HOST) python
	@test -x $(PY) || python3 -m venv $(VENV)
	@echo "installing Spark and the tools for development into $(VENV)" >&2
	@$(PY) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=23' 'setuptools>=68'
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[spark,demo,dev]'
	@touch $@

setup: $(STAMP) ## Make .venv with everything that the tests need (done before: returns at once)

java:
	@$(HOST) java

demo: setup java ## Train on 336,776 real flights on this machine and show the metrics
	@./batch_submit.sh demo-data --backend local >/dev/null
	@./batch_submit.sh submit -t training --backend local

check: setup ## ruff, mypy, import-linter, shellcheck
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@PYTHONPATH=deploy/hadoop:. $(VENV)/bin/lint-imports --config setup.cfg
	@$(VENV)/bin/shellcheck batch_submit.sh .ci/run deploy/host/ensure.sh

unit: setup ## The unit tests only (no JVM, no socket, no subprocess)
	@$(PY) -m pytest tests/unit

jars: setup java
	@if [ -n "$${REQUIRE_CLUSTER:-}" ]; then $(HOST) maven; $(CLUSTER) jars; \
	else { $(HOST) maven && $(CLUSTER) jars; } || echo "no Hadoop jars: the tests on the cluster will be skipped" >&2; fi

test: setup check jars ## Every test, on a real HDFS + YARN that the tests start themselves
	@$(PY) -m pytest -m "not full"

test-full: setup check jars ## The same and the long repetitions
	@REQUIRE_CLUSTER=1 HYPOTHESIS_PROFILE=searching $(PY) -m pytest

bench: setup java ## Our figures and the peers', side by side (starts the development cluster)
	@$(PY) -m benchmarks.submit_overhead
	@$(PY) -m benchmarks.operations
	@$(PY) -m benchmarks.logs
	@$(PY) -m benchmarks.monitor

devcluster: setup java ## Start a real HDFS + YARN on this machine
	@$(HOST) maven
	@$(CLUSTER) up

devcluster-down: ## Stop it (its data stays; `deploy/devcluster/devcluster down --wipe` deletes it)
	@$(CLUSTER) down

cluster-demo: setup java ## Cluster up, data to HDFS, training in queue ml-queue, result shown
	@$(HOST) maven
	@page="$$($(CLUSTER) up | sed -n 1p)"; \
	eval "$$($(CLUSTER) env)"; \
	trap 'echo "ResourceManager: $$page" >&2; \
		echo "the cluster goes on running; stop it with: make devcluster-down" >&2' EXIT; \
	./batch_submit.sh demo-data >/dev/null; \
	./batch_submit.sh submit -t training -q ml-queue

clean: ## Delete what setup, builds and tests made (not ml-pipeline with your models, not the development cluster)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
