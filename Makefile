# Every target makes the virtual environment it needs. PYTHON picks the interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test lint acceptance browser bench chaos clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

# Searches depth and learning rate of a small network on rendered faces, on the CPU, in a few minutes.
demo: install
	$(BIN)/search launch clsfer_depth_lr --preset quick

test: install
	$(BIN)/python -m pytest --quiet -m 'not slow and not browser'

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

bench: install
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

# A seeded storm of faults over real workers, checked for losses, and the same over stock Optuna; 25 minutes.
chaos: install
	$(BIN)/python -m benchmarks.chaos

clean:
	rm -rf $(VENV) results .pytest_cache .mypy_cache .ruff_cache
