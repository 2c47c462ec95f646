"""The code in README and the documentation is code, and uses names that exist."""

import ast
import re
import subprocess
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
]


def parsed(block):
    """Return the syntax tree of some code, which may be a row of a table."""
    try:
        return ast.parse(block)
    except SyntaxError:
        return ast.parse(f"{{\n{block}\n}}")


@pytest.mark.parametrize("block", BLOCKS)
def test_imports_and_keywords_exist(block):
    tree = parsed(block)
    known = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari_dip"):
            for alias in node.names:
                known[alias.name] = getattr(import_module(node.module), alias.name)
    package = import_module("napari_dip")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called = known.get(node.func.id) or getattr(package, node.func.id, None)
            if called is None:
                continue
            accepted = signature(called).parameters
            given = {keyword.arg for keyword in node.keywords if keyword.arg}
            assert given <= accepted.keys(), f"{node.func.id}: {given - accepted.keys()}"


def test_the_tables_show_what_was_measured():
    command = [sys.executable, "benchmarks/tables.py", "--check"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
