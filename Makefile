# Two commands: `make demo` restores a real image, `make test` runs all tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: demo test clean

demo: $(VENV)/package
	$(BIN)/napari-dip demo --output demo

test: $(VENV)/test
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) build dist demo

$(VENV)/bin/python:
	tools/system-packages
	$(PYTHON) -m venv $(VENV)

$(VENV)/package: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) .
	touch $@

$(VENV)/test: $(VENV)/bin/python pyproject.toml constraints.txt
	$(INSTALL) ".[test]"
	touch $@
