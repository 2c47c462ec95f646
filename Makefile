# `make demo` restores a real image, `make test` runs the tests, `make docs` builds the documentation.
#
# Make expands a recipe before it runs its first line. So nothing that a recipe installs is looked for here:
# the scripts in tools/ look for it when they run.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Where there is a screen the demo opens napari; elsewhere, and by `make demo SCREEN=`, it writes pictures.
SCREEN := $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Windows_NT,$(OS)),$(filter Darwin,$(shell uname)))
export SCREEN

# How many processes share the tests, each with a screen of its own.
PROCESSES ?= 2
# What pytest is told besides: make test PYTEST_ARGS="tests/test_grid.py -x"
PYTEST_ARGS ?=

.PHONY: demo test docs clean viewer-libraries
.DELETE_ON_ERROR:

ifneq ($(SCREEN),)
demo: viewer-libraries $(VENV)/viewer
	$(BIN)/python -m napari_dip.plugin.demo
else
demo: $(VENV)/package
	$(BIN)/python -m napari_dip demo --output demo
endif

test: $(VENV)/test
	tools/run-tests $(BIN)/python $(PROCESSES) $(PYTEST_ARGS)

docs: $(VENV)/docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --builder html docs build/site

clean:
	rm -rf $(VENV) build dist demo

viewer-libraries:
	tools/system-packages viewer

# Python 3.11 and 3.12 bring a pip that knows no dependency groups.
$(VENV)/pyvenv.cfg:
	tools/system-packages venv
	$(PYTHON) -m venv $(VENV)
	$(PIP) "pip>=25.1"

$(VENV)/package: WANTED := --editable "."
$(VENV)/viewer: WANTED := --editable ".[napari]"
$(VENV)/docs: WANTED := --editable "." --group docs
$(VENV)/test: WANTED := --editable ".[astro,models,napari]" --group test
$(VENV)/dev: WANTED := --editable ".[astro,models,napari]" --group dev
$(VENV)/package $(VENV)/viewer $(VENV)/docs $(VENV)/test $(VENV)/dev: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(PIP) $(WANTED)
	touch $@
