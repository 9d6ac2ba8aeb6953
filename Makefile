# Every target makes the virtual environment it needs. PYTHON picks the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: install demo test lint acceptance browser compose bench chaos unprotected up down clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

# Searches depth and learning rate of a small network on rendered faces, on the CPU, in a few minutes.
demo: install
	$(BIN)/search launch clsfer_depth_lr --preset quick

test: install
	$(BIN)/python -m pytest --quiet -m 'not slow and not browser and not compose'

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# End-to-end: real processes, really killed; minutes.
acceptance: install
	$(BIN)/python -m pytest --quiet -m slow

# Opens the dashboard in headless Chromium, which must be installed.
browser: install
	$(BIN)/python -m pytest --quiet -m browser

# Builds the images and runs the fleet in containers, killing some; minutes, and a Docker daemon.
compose: install
	COMPOSE='$(COMPOSE)' $(BIN)/python -m pytest --quiet --capture=no -m compose

bench: install
	for benchmark in benchmarks/*.py; do $(BIN)/python -m benchmarks.$$(basename $$benchmark .py) || exit 1; done

# A seeded storm of faults over real workers, checked for losses, and the same over stock Optuna; 25 minutes.
chaos: install
	$(BIN)/python -m benchmarks.chaos

# Takes each protection out of a copy of the code and checks that its tests fail without it; some hours.
unprotected: install
	$(BIN)/python -m tests.unprotected

# The fleet on this host, in containers. Goes on where `down` left it.
up:
	$(COMPOSE) build dashboard workers
	$(COMPOSE) up --detach workers dashboard
	@echo "dashboard: http://127.0.0.1:$${DASHBOARD_PORT:-8080}/dashboard for the user search; its password:"
	@echo "  $(COMPOSE) exec dashboard cat /secrets/dashboard_password"
	@echo "train something: $(COMPOSE) run --rm search launch clsfer_depth_lr --preset quick"

down:
	$(COMPOSE) down

clean:
	rm -rf $(VENV) results .pytest_cache .mypy_cache .ruff_cache
