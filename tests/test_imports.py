"""Imports run one way, and cost nothing until something is used."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import napari_dip

ROOT = Path(napari_dip.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# Each may import what stands before it, and its own kind.
ORDER = [
    [
        "errors",
        "settings",
        "device",
        "axes",
        "area",
        "geometry",
        "grid",
        "filling",
        "comparison",
        "tensor_files",
        "cut_off",
    ],
    ["operators", "noise", "psf", "tensor_files"],
    ["problem", "scaling", "noise_estimation", "weakest_noise", "psf_estimation", "whiteness", "drift"],
    ["networks", "solver"],
    ["tasks", "pkn", "pretrained"],
    ["finetuning"],
    ["methods"],
    ["pace"],
    ["series", "reports"],
    ["restoration", "refilter", "retune"],
    ["estimation", "words", "parts", "recipe"],
    ["progress", "io"],
    ["demo", "targets", "flags", "sources", "map_files", "training_files", "run_files"],
    ["cli", "__main__"],
    ["plugin"],
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}
GUI = {"napari", "qtpy", "magicgui", "superqt", "PyQt6", "PySide6"}


def imports(path, *, types_too=False):
    """Yield the dotted names that a module imports, at its top or inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    if not types_too:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
                skipped.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    place = path.relative_to(ROOT).with_suffix("").parts
    if place == ("__init__",):
        return
    for name in imports(path):
        if name.startswith("napari_dip."):
            room = name.split(".")[1]
            assert room == place[0] or RANK[room] < RANK[place[0]] or room in ORDER[RANK[place[0]]], name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_imports_no_gui(path):
    if "plugin" not in path.relative_to(ROOT).parts:
        assert not GUI & {name.split(".")[0] for name in imports(path, types_too=True)}


@pytest.mark.parametrize(
    "statement",
    [
        "import napari_dip",
        "from napari_dip import DIP, PRESETS, Denoise, Inpaint, Gaussian, Outcome, Asked, TimeLimit",
        "import napari_dip.cli.main",
        "from napari_dip import restore, solve, estimate",
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
