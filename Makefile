# The commands of Lianxin. `make` alone lists them.

PORT ?= 8000
ARGS ?=
PYTHON := .venv/bin/python

.PHONY: help demo test lint e2e faults machine simulate simulate-day bench format messages lock clean

help: ## list these commands
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: ## run Lianxin with a sample bank on PORT (8000); needs only Python 3.11 or newer
	@scripts/install
	@$(PYTHON) manage.py demo --port $(PORT)

test: ## run all tests and checks; ARGS go to pytest: make test ARGS="-k transfer"
	@scripts/test $(ARGS)

lint: ## check types, imports, style, templates, migrations and translations
	@scripts/test --only lint

e2e: ## run the browser tests only
	@scripts/test --only browser $(ARGS)

faults: ## break servers, databases and networks, and check every message; ARGS="--seconds 600 --seed 7": docs/faults.md
	@scripts/system-packages
	@scripts/install --dev
	@$(PYTHON) -m tests.faults $(ARGS)

machine: ## test two thousand schedules of events on a simulated clock, and shorten one that fails
	@HYPOTHESIS_PROFILE=search scripts/test --only servers tests/machine -k random_schedules $(ARGS)

simulate: ## let simulated visitors talk to a running demo; ARGS="--agents 4 --pace 20 --minutes 60" and more: docs/simulate.md
	@scripts/install
	@$(PYTHON) -m tests.simulation $(ARGS)

simulate-day: ## run a bank's day of 5,000 customers and 50 agents through the router, and by hand; ARGS="--surge": docs/simulate.md
	@scripts/system-packages
	@scripts/install --dev
	@$(PYTHON) -m tests.simulation.day $(ARGS)

bench: ## measure performance against the budgets, with a private PostgreSQL and Redis: docs/performance.md
	@scripts/system-packages
	@scripts/install --dev
	@$(PYTHON) -m tests.bench $(ARGS)

format: ## format the Python code as `make lint` requires, and write the types of all frames for JavaScript
	@scripts/install --dev
	@.venv/bin/ruff check --quiet --fix --exit-zero .
	@.venv/bin/ruff format .
	@$(PYTHON) -m scripts.frame_types

messages: ## collect new texts into the catalogue and compile it
	@scripts/install --dev
	@$(PYTHON) -m scripts.catalogue update

lock: ## pin the newest versions that requirements.in and requirements-dev.in allow
	@scripts/lock $(ARGS)

clean: ## remove installed packages and caches; var/ (the data) stays
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
