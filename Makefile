# Two commands: `make demo` restores a real image, `make test` runs all tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

# Where there is a screen the demo opens napari; elsewhere, and by `make demo SCREEN=`, it writes pictures.
SCREEN := $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Windows_NT,$(OS)),$(filter Darwin,$(shell uname)))
# Looked for when the tests begin: it may have been installed just before.
XVFB = $(if $(shell command -v xvfb-run 2>/dev/null),xvfb-run -a -s "-screen 0 1600x1000x24")

.PHONY: demo test clean

ifneq ($(SCREEN),)
demo: $(VENV)/viewer
	tools/system-packages viewer
	$(BIN)/python -m napari_dip.plugin.demo
else
demo: $(VENV)/package
	$(BIN)/napari-dip demo --output demo
endif

test: $(VENV)/test
	tools/system-packages viewer xvfb
	$(XVFB) $(BIN)/python -m pytest

clean:
	rm -rf $(VENV) build dist demo

$(VENV)/pyvenv.cfg:
	tools/system-packages venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/package $(VENV)/viewer $(VENV)/test: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(INSTALL) "$(EXTRAS)"
	touch $@

$(VENV)/package: EXTRAS := .
$(VENV)/viewer: EXTRAS := .[napari]
$(VENV)/test: EXTRAS := .[test]
