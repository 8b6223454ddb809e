# Sluice. `make run` needs Python 3.11, git and a package index; nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is about the stores; what starts servers of its own runs once, in `make test`.
ON_POSTGRES ?= tests/frontend tests/policies/services tests/gateway/test_database_threads.py \
  $(addprefix tests/gateway/,accounts admin_api audit batches chat content deployments files operations \
  privacy snapshot telemetry usage)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# A process that may not keep what it compiled takes a second longer to start, each time.
unexport PYTHONDONTWRITEBYTECODE

# Two tests at once, file by file; browsers one by one, because each takes what there is of two cores.
PARALLEL ?= -n 2 --dist loadfile

.PHONY: run test test-postgres test-live lint check bench tour lock upgrade format clean

run: $(VENV)/.run  ## set everything up and serve http://127.0.0.1:8000 (PORT, SLUICE_VAR)
	@exec $(BIN)/python -m gateway.supervisor

test: $(VENV)/.dev  ## all tests but the live tier
	$(BIN)/python -m pytest -q -m "not live" $(PARALLEL) --ignore=tests/browser --ignore=tests/e2e
	$(BIN)/python -m pytest -q -m "not live" $(PARALLEL) tests/e2e
	$(BIN)/python -m pytest -q -m "not live" tests/browser

test-postgres: $(VENV)/.dev  ## the tests on PostgreSQL and Redis, started from Debian's packages
	$(BIN)/python -m tests.support.on_postgres pytest -q -m "not live and not slow" \
	  -p tests.support.own_store $(PARALLEL) $(ON_POSTGRES)

test-live: $(VENV)/.dev  ## against real vLLM servers on the CPU
	bash .ci/install-live
	$(BIN)/python -m pytest -q -m "live and not large" tests/live

lint: $(VENV)/.dev  ## format, lint, layers, types, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy gateway policies frontend bench tests manage.py
	$(BIN)/python manage.py makemigrations --check --dry-run

check: lint  ## the same, and the fast tests
	$(BIN)/python -m pytest -q -m "not live and not slow" $(PARALLEL) --ignore=tests/browser --ignore=tests/e2e

bench: $(VENV)/.dev  ## CPU per request beside nginx and LiteLLM's proxy
	bash .ci/install-bench
	$(BIN)/python -m bench.run
	$(BIN)/python -m bench.decide
	$(BIN)/python -m bench.masking
	$(BIN)/python -m bench.hostile_patterns
	$(BIN)/python -m bench.batches
	$(BIN)/python -m bench.tables
	$(BIN)/python -m bench.chat_viewers
	$(BIN)/python -m bench.chat_long

tour: $(VENV)/.dev  ## take the pictures of docs/tour.md again
	$(BIN)/python -m tests.browser.tour

upgrade: $(VENV)/.run  ## back up, migrate, verify
	$(BIN)/python -m gateway.supervisor.upgrade

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## lock requirements with hashes (needs uv on the PATH)
	for set in run dev s3 s3-server otel; do uv pip compile -q --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --no-emit-index-url requirements/$$set.in -o requirements/$$set.txt; done

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt | $(BIN)/python
	@test -e $(VENV)/.dev || $(BIN)/pip install -q --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt | $(BIN)/python
	$(BIN)/pip install -q --require-hashes -r requirements/dev.txt
	@touch $(VENV)/.run $@

clean:  ## everything but var/
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
