import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "system-packages"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell script")


@pytest.fixture
def run(tmp_path):
    """Run the script among commands that do as they are told; return how it ended and what was installed."""

    def run(*purposes, user=1000, libraries="", packages=True, apt=True):
        asked = tmp_path / "asked"
        commands = {
            "id": f"echo {user}",
            "ldconfig": f"printf '{libraries}'",
            "dpkg": str(packages).lower(),
            "apt-get": f'echo "$@" >> {asked}',
        }
        for name, does in commands.items():
            command = tmp_path / name
            command.write_text(f"#!/bin/sh\n{does}\n")
            command.chmod(0o755)
        if not apt:
            (tmp_path / "apt-get").unlink()
        done = subprocess.run(
            ["/bin/sh", SCRIPT, *purposes],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}" if apt else str(tmp_path)},
            capture_output=True,
            text=True,
        )
        return done, asked.read_text().splitlines() if asked.exists() else []

    return run


def listed(*names):
    return "".join(rf"\t{name} (libc6,x86-64) => /lib/{name}\n" for name in names)


def test_a_system_without_apt_is_left_alone(run):
    done, _ = run("viewer", "xvfb", apt=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_user_is_told_what_to_run(run):
    done, asked = run("viewer")
    assert done.returncode == 3
    assert "please run: sudo apt-get install libdbus-1-3 libegl1 " in done.stderr
    assert not asked


def test_the_superuser_gets_what_is_missing_and_nothing_else(run):
    _, asked = run("viewer", user=0)
    everything = asked[-1].split()
    some = listed("libEGL.so.1", "libGL.so.1", "libxcb-cursor.so.0", "libfontconfig.so.10")
    _, asked = run("viewer", user=0, libraries=some)
    assert set(everything) - set(asked[-1].split()) == {"libegl1", "libgl1", "libxcb-cursor0"}
    assert "update" in asked[0]


def test_the_renderer_is_a_package_not_a_library(run):
    done, _ = run("xvfb", packages=False)
    assert "libgl1-mesa-dri" in done.stderr


def test_a_wrong_purpose_is_refused(run):
    done, asked = run("viewers", user=0)
    assert done.returncode == 2
    assert not asked


def test_a_list_is_printed_and_nothing_else_done(run):
    done, asked = run("--list", "xvfb", "viewer", user=0, libraries=listed("libEGL.so.1"))
    assert done.returncode == 0
    assert {"xvfb", "libegl1", "libxcb-icccm4"} <= set(done.stdout.split())
    assert not asked
