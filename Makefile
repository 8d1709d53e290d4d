# The vocabulary of the project. `make demo` and `make test` need Python 3.11+, pip, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODE := contracts services sandbox surefoot benchmarks
PATHS := $(CODE) tests
# trust what this machine trusts, behind a company's proxy for instance
export UV_SYSTEM_CERTS ?= true
# bytecode is kept, whatever the environment says, since without it every process of a test compiles what it imports;
# and it is kept in the virtual environment, so that none lies among the sources
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/pycache
.DEFAULT_GOAL := help

help: ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 20

$(VENV)/.ready: pyproject.toml uv.lock deploy/build-tools.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Surefoot needs Python 3.11 or newer; set PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement deploy/build-tools.txt
	@$(BIN)/uv sync --quiet --frozen --all-extras --inexact
	@touch $@

setup: $(VENV)/.ready ## a virtual environment with everything in it

demo: setup ## four deployments on the sandbox, live
	@$(BIN)/surefoot demo

up: setup ## the all-in-one on the sandbox, kept running
	@$(BIN)/surefoot up

test: setup ## the tests, in less than five minutes on two idle cores; three processes, since one often waits
	@$(BIN)/pytest -n 3 --dist loadgroup -q

test-slow: setup ## the tests that take longer than that, in about ten minutes on two idle cores
	@$(BIN)/pytest -n 3 --dist loadgroup -q -m slow $$(grep -rl --include='test_*.py' 'mark\.slow' tests)

chaos: setup ## deployments under kill -9, pauses, cut wires and an AWS that fails; SEED=… RUNS=… CAMPAIGNS=…
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),1) --runs $(or $(RUNS),40) --campaigns $(or $(CAMPAIGNS),1)

chaos-long: setup ## 1,000 such runs, in at most an hour; it resumes where it was interrupted
	@$(BIN)/python -m tests.chaos --seed $(or $(SEED),100) --runs 100 --campaigns 10 --targets 16 --harm-seconds 120 --resume

judge: setup ## how often Surefoot's verdict is right beside ECS alone, over 300 deployments; SEED=… ONLY="worker errors-50"
	@$(BIN)/python -m benchmarks.judge --seed $(or $(SEED),1) --only "$(ONLY)"

judge-slice: setup ## forty of them, and which of these are known to be wrong
	@$(BIN)/pytest -n 2 -q -m judge tests/judge

denials: setup ## how deployments end where AWS denies, throttles, hangs, fails or omits, operation by operation; ONLY="ecs:ListTasks deny"
	@$(BIN)/python -m benchmarks.denials --only "$(ONLY)"
	@$(BIN)/python -m benchmarks.denials.scalings --only "$(ONLY)"
	@$(BIN)/python -m benchmarks.denials.recreations --only "$(ONLY)"
	@$(BIN)/python -m benchmarks.denials.drills --only "$(ONLY)"
	@$(BIN)/python -m benchmarks.denials.migrations --only "$(ONLY)"

bench: setup ## ours against bare scripts, by turns, as ratios; a rollback beside floods of callers and of messages; 100,000 messages of which a third is malformed; the sandbox; how large Redis becomes
	@$(BIN)/python -m benchmarks.bus
	@$(BIN)/python -m benchmarks.starved
	@$(BIN)/python -m benchmarks.forged
	@$(BIN)/python -m benchmarks.malformed
	@$(BIN)/python -m benchmarks.sandbox
	@$(BIN)/python -m benchmarks.listing
	@$(BIN)/python -m benchmarks.cli
	@$(BIN)/python -m benchmarks.memory

check: setup ## format, lint, bandit, types, imports, contracts, architecture, documents
	@$(BIN)/ruff format --check $(PATHS)
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/bandit --quiet --configfile=pyproject.toml --recursive $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m contracts.publish --check
	@$(BIN)/pytest -q tests/architecture tests/docs

build-tools: setup ## the hashes of what installs and builds, from uv.lock into deploy/build-tools.txt
	@$(BIN)/uv export --quiet --frozen --only-group build --no-annotate --no-header --output-file deploy/build-tools.txt

sbom: setup ## all packages of the image without the sandbox, with their hashes, as CycloneDX in sbom.json
	@$(BIN)/uv export --quiet --frozen --no-dev --format cyclonedx1.5 --output-file $(or $(SBOM),sbom.json)

kafka: setup ## a real Apache Kafka on port 9092, its jars from Maven Central (needs a JDK 17 and Maven)
	@$(BIN)/python -m sandbox.apache_kafka --port 9092

test-kafka: setup ## the bus's conformance suite and the thread on Apache Kafka: KAFKA_BOOTSTRAP_SERVERS's, Docker's or Maven's
	@$(BIN)/pytest -q -m 'not compose' --kafka=$(or $(KAFKA),apache) tests/bus tests/e2e/test_thread.py

test-compose: setup ## the containers on the simulated AWS: deploys, kills, restarts (needs Docker with Compose; quarter of an hour)
	@$(BIN)/pytest -q -m compose tests/compose

.PHONY: help setup demo up test test-slow chaos chaos-long judge judge-slice denials bench check build-tools sbom kafka test-kafka test-compose
