"""The commands in the documentation can be given as they are written there."""

import re
import shlex
from itertools import groupby
from pathlib import Path

import pytest

from napari_dip.cli import main as cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?:sh|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page):
    """Return the commands in the shell blocks of a page."""
    lines = "\n".join(BLOCK.findall(page.read_text(encoding="utf-8"))).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("napari-dip ")]


COMMANDS = [(page.name, line) for page in PAGES for line in commands(page)]


def test_every_task_has_an_example():
    shown = {line.split()[1] for _, line in COMMANDS}
    assert shown >= {"denoise", "inpaint", "super-resolve", "deconvolve", "train-pkn", "demo", "resolution"}


@pytest.mark.parametrize(
    ("page", "lines"),
    [(page, [line for _, line in lines]) for page, lines in groupby(COMMANDS, lambda one: one[0])],
    ids=[page for page, _ in groupby(COMMANDS, lambda one: one[0])],
)
def test_the_commands_of_a_page_are_understood(page, lines, monkeypatch):
    """All options are known, and the settings that they give are possible; nothing is read or restored."""
    jobs = []
    monkeypatch.setattr("napari_dip.cli.batch.restore_files", lambda job, *_, **__: jobs.append(job))
    monkeypatch.setattr("napari_dip.cli.train.train_from_files", lambda *_, **__: jobs.append(None))
    monkeypatch.setattr("napari_dip.cli.demo.run", lambda *_: jobs.append(None) or "")
    monkeypatch.setattr(
        "napari_dip.cli.resolution.resolution_of_files", lambda *_, **__: jobs.append(None) or ""
    )
    monkeypatch.setattr("napari_dip.cli.describe.described", lambda *_, **__: jobs.append(None) or "")
    for line in lines:
        arguments = shlex.split(line, comments=True)[1:]
        try:
            cli.main(arguments)
        except SystemExit as end:
            pytest.fail(f"{page}: {line!r} ends with code {end.code}")
    assert len(jobs) == sum("--help" not in line for line in lines)
