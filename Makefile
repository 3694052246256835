# Bare `make` lists the targets. Python >= 3.11 and make are all that is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check install
PACKAGING := setup.cfg pyproject.toml
HOST ?= 127.0.0.1
PORT ?= 8000
DATA_DIR ?= data
MINUTES ?= 5
YEARS ?= 30
PAIRS ?= 5

# What a production deployment gives; made up, only to let Django check the settings that follow.
PRODUCTION := COMPUTE_EMBEDDED=false COMPUTE_ALLOWED_HOSTS=compute.example.org \
	COMPUTE_DATABASE_URL=postgres://compute@db.example.org/compute \
	COMPUTE_REDIS_URL=redis://redis.example.org:6379/0 \
	COMPUTE_SECRET_KEY="$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))')"

.DEFAULT_GOAL := help
.PHONY: help demo serve test kube-assets soak simulate bench check format docs clean
.DELETE_ON_ERROR:

help: ## List the targets
	@echo "Targets:"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) \
		| awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

demo: $(VENV)/.demo ## Show the whole way; on your own file: make demo DATA=file.nc VAR=tas
	@$(BIN)/compute demo $(if $(DATA),--data "$(DATA)") $(if $(VAR),--variable "$(VAR)")

serve: $(VENV)/.base ## Run the service until Ctrl-C (HOST, PORT, DATA_DIR)
	@exec $(BIN)/compute serve --host $(HOST) --port $(PORT) --data-dir "$(DATA_DIR)"

test: $(VENV)/.test ## Run all tests; they start the services they need
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest -m database --postgres

kube-assets: $(VENV)/.test ## Unpack or build the Kubernetes control plane that tests run
	@$(BIN)/python -m compute.testing.kube.build

soak: $(VENV)/.test ## Kill the parts of a service while it computes (MINUTES); nothing may be lost
	@$(BIN)/python -m compute.soak --minutes $(MINUTES)

simulate: $(VENV)/.base ## Show what pools do in a day of load: cost, waiting, speed of decisions
	@$(BIN)/python -m compute.provisioner.simulation

bench: $(VENV)/.test ## Measure speed beside the tools people use (CASE, YEARS, PAIRS, CHECK=1)
	@missed=0; check="$(if $(CHECK),--check)"; \
	$(BIN)/python -m compute_tasks.benchmarks --pairs $(PAIRS) --years $(YEARS) \
		$(if $(CASE),--case $(CASE)) $$check || missed=1; \
	$(if $(CASE),,$(BIN)/python -m compute.benchmarks --pairs $(PAIRS) $$check || missed=1;) \
	exit $$missed

check: $(VENV)/.check ## Format, lint, types, layers, Django's checks
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p compute -p compute_wps -p compute_tasks
	$(BIN)/lint-imports
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	COMPUTE_DATA_DIR=$(VENV)/check $(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/.check ## Format and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(VENV)/.base ## Write the generated pages of docs/reference
	$(BIN)/python docs/generate.py

clean: ## Remove what make made: the virtual environment, the demo, caches
	rm -rf $(VENV) .demo build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
			"Give another one: make PYTHON=python3.12"; exit 1; }
	@echo "Making the virtual environment $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.python $(PACKAGING)
	@echo "Installing; the first time takes a minute or two ..."
	@$(PIP) --editable .
	@touch $@

$(VENV)/.demo $(VENV)/.test $(VENV)/.check: $(VENV)/.%: $(VENV)/.python $(PACKAGING)
	@echo "Installing for $*; the first time takes a minute or two ..."
	@$(PIP) --editable ".[$*]"
	@touch $@
