# The doors of Lianxin. `make` alone lists them.

PORT ?= 8000
ARGS ?=
PYTHON := .venv/bin/python

.PHONY: help demo test lint e2e faults machine simulate bench format messages lock clean

help: ## list what there is
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

demo: ## show it: the whole service with a little bank, on PORT (8000); needs only Python 3.11 or newer
	@scripts/install
	@$(PYTHON) manage.py demo --port $(PORT)

test: ## check everything; ARGS are pytest's: make test ARGS="-k transfer"
	@scripts/test $(ARGS)

lint: ## check types, imports, style, templates, migrations and translations
	@scripts/test --only lint

e2e: ## run the browser tests only
	@scripts/test --only browser $(ARGS)

faults: ## break servers, databases and networks, and check every word; ARGS="--seconds 600 --seed 7": docs/faults.md
	@scripts/system-packages
	@scripts/install --dev
	@$(PYTHON) -m tests.faults $(ARGS)

machine: ## drive the protocol through two thousand schedules on a simulated clock, and shorten one that fails
	@HYPOTHESIS_PROFILE=search scripts/test --only servers tests/machine -k random_schedules $(ARGS)

simulate: ## let visitors talk to a running demo; ARGS="--agents 4 --pace 20 --minutes 60" and more: docs/simulate.md
	@scripts/install
	@$(PYTHON) -m tests.simulation $(ARGS)

bench: ## measure it against the budgets, with PostgreSQL and Redis of its own
	@scripts/system-packages
	@scripts/install --dev
	@$(PYTHON) -m tests.bench $(ARGS)

format: ## lay out the Python code as `make lint` wants it
	@scripts/install --dev
	@.venv/bin/ruff check --quiet --fix --exit-zero .
	@.venv/bin/ruff format .

messages: ## gather new texts into the catalogue and compile it
	@scripts/install --dev
	@$(PYTHON) -m scripts.catalogue update

lock: ## pin the newest versions that requirements.in and requirements-dev.in allow
	@scripts/lock $(ARGS)

clean: ## remove what was installed and cached; var/ (the data) stays
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
