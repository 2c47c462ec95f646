"""Imports run one way, and cost nothing until something is used."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import napari_dip

ROOT = Path(napari_dip.__file__).parent
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def test_imports_run_one_way():
    """The contracts stand in pyproject.toml. import-linter mutes loggers, so it has a process of its own."""
    check = f"lint_imports({str(PYPROJECT)!r}, no_cache=True)"
    code = f"from importlinter.cli import lint_imports; raise SystemExit({check})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PYPROJECT.parent)
    assert done.returncode == 0, done.stdout


def test_the_page_on_architecture_draws_the_same_order():
    contracts = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (one["layers"] for one in contracts if one.get("containers") == ["napari_dip"])
    page = (PYPROJECT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawing = page.split("```text")[1].split("```")[0]
    drawn = [line.split("  ")[0] for line in drawing.splitlines() if line[:1].isalpha()]
    drawn = [re.sub(r"^(problem .* networks) .*", r"\1", line) for line in drawn]
    assert drawn[:-1] == layers[1:-4]
    assert all((ROOT / f"{name}.py").exists() for name in ("device", "settings", "errors"))


@pytest.mark.parametrize(
    "statement",
    [
        "import napari_dip",
        "from napari_dip import DIP, PRESETS, Denoise, GaussianNoise, Measurement, Outcome, StopRequested",
        "import napari_dip.cli.main",
        "from napari_dip import restore, solve, estimate_cost",
        "from napari_dip.image import affine, axes, fill, grid, intensity, planes, region, registration",
    ],
)
def test_importing_costs_nothing(statement):
    heavy = ("torch", "napari", "qtpy", "dask", "scipy", "skimage", "spandrel")
    code = f"{statement}; import sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    for name in napari_dip.__all__:
        assert getattr(napari_dip, name) is not None
    assert set(napari_dip.__all__) <= set(dir(napari_dip))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = napari_dip.nonsense


def test_names_do_not_turn_into_modules():
    """A function must not share its name with a module, which an import would put in its place."""
    modules = {path.stem for path in ROOT.iterdir()}
    assert not modules & set(napari_dip.__all__)
