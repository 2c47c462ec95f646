"""The Makefile among commands that are not there until a recipe installs them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKE = shutil.which("make")
# What a bare machine has: no Python, no screen, and nothing that looks for either.
BARE = ("cat", "chmod", "dirname", "env", "grep", "mkdir", "rm", "sh", "touch")

pytestmark = pytest.mark.skipif(os.name != "posix" or MAKE is None, reason="needs make and a POSIX shell")

# Each stub says in `log` how it was called.
PYTHON = """
echo "python $* on ${FAKE_SCREEN:-${DISPLAY:-nothing}}" >> "$LOG"
case $* in
"-m venv "*)
    mkdir -p "$3/bin"
    touch "$3/pyvenv.cfg"
    cat "$0" > "$3/bin/python"
    chmod +x "$3/bin/python"
    ;;
*pytest*) exit "${PYTEST_STATUS:-0}" ;;
esac
"""
XVFB_RUN = """
while [ "${1%python}" = "$1" ]; do shift; done
FAKE_SCREEN=Xvfb exec "$@"
"""
APT_GET = """
echo "apt-get $*" >> "$LOG"
[ "${APT_FAILS:-}" = "" ] || exit 100
case "$* " in
*" xvfb "*)
    cat "$COMMANDS/../xvfb-run" > "$COMMANDS/xvfb-run"
    chmod +x "$COMMANDS/xvfb-run"
    ;;
esac
"""


class Machine:
    """A checkout, and a PATH on which nothing lies but a few tools and stubs."""

    def __init__(self, folder):
        self.checkout, self.commands, self.log = folder / "checkout", folder / "commands", folder / "log"
        self.commands.mkdir()
        for name in BARE:
            (self.commands / name).symlink_to(shutil.which(name))
        self.writes(folder / "xvfb-run", XVFB_RUN)
        self.has("python3", PYTHON)
        self.has("apt-get", APT_GET)
        self.has("dpkg", "exit 1")
        self.has("ldconfig", "true")
        self.has("uname", "echo Linux")
        self.checkout.mkdir()
        shutil.copytree(ROOT / "tools", self.checkout / "tools")
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.checkout)

    def writes(self, path, does):
        path.write_text(f"#!{shutil.which('sh')}\n{does}\n")
        path.chmod(0o755)

    def has(self, command, does):
        self.writes(self.commands / command, does)

    def makes(self, *arguments, user=0, **variables):
        """Run make; return how it ended, and what ran, line by line."""
        self.has("id", f"echo {user}")
        self.log.write_text("")
        environment = {"PATH": str(self.commands), "COMMANDS": str(self.commands), "LOG": str(self.log)}
        done = subprocess.run(
            [MAKE, *arguments],
            cwd=self.checkout,
            env={**environment, **variables},
            capture_output=True,
            text=True,
        )
        return done, self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def of_pytest(ran):
    """Return the one line that tells of pytest."""
    (line,) = [line for line in ran if " -m pytest" in line]
    return line


def test_an_xvfb_that_the_run_installs_is_used_by_that_run(machine):
    done, ran = machine.makes("test", "PROCESSES=1")
    assert done.returncode == 0, done.stderr
    assert of_pytest(ran) == "python -m pytest on Xvfb"
    _, ran = machine.makes("test", "PROCESSES=1")
    assert of_pytest(ran) == "python -m pytest on Xvfb"
    assert not [line for line in ran if "pip" in line], "installed twice"


def test_the_tests_decide_how_it_ends(machine):
    done, _ = machine.makes("test", PYTEST_STATUS="1")
    assert done.returncode != 0
    done, _ = machine.makes("test", PYTEST_STATUS="1", user=1000)
    assert done.returncode != 0


def test_arguments_reach_pytest(machine):
    _, ran = machine.makes("test", "PROCESSES=1", "PYTEST_ARGS=tests/test_grid.py -x")
    assert of_pytest(ran) == "python -m pytest tests/test_grid.py -x on Xvfb"


def test_each_of_two_processes_starts_on_a_screen_of_its_own(machine):
    _, ran = machine.makes("test")
    assert "--tx 2*popen//python=tools/with-screen .venv/bin/python on nothing" in of_pytest(ran)


def test_who_may_not_install_is_told_what_to_run_and_gets_the_tests_without_a_screen(machine):
    done, ran = machine.makes("test", user=1000)
    assert done.returncode == 0
    (told,) = [line for line in done.stderr.splitlines() if "sudo apt-get install" in line]
    assert "xvfb" in told.split()
    assert "--ignore tests/plugin" in of_pytest(ran)
    assert "were left out" in done.stderr.splitlines()[-1]
    assert not [line for line in ran if line.startswith("apt-get")]


def test_a_failed_installation_ends_it(machine):
    """A gate on a machine without a network must not pass with half of the tests."""
    done, ran = machine.makes("test", APT_FAILS="yes")
    assert done.returncode != 0
    assert not [line for line in ran if "pytest" in line]


def test_without_apt_and_xvfb_the_tests_that_need_no_screen_run(machine):
    (machine.commands / "apt-get").unlink()
    done, ran = machine.makes("test")
    assert done.returncode == 0
    assert "please install xvfb-run" in done.stderr
    assert "--ignore tests/plugin" in of_pytest(ran)


def test_a_screen_that_exists_needs_no_xvfb(machine):
    _, ran = machine.makes("test", DISPLAY=":7")
    assert of_pytest(ran) == "python -m pytest on :7"
    assert not [line for line in ran if "xvfb" in line]


def test_an_xvfb_that_exists_leaves_the_users_screen_alone(machine):
    machine.makes("test")
    _, ran = machine.makes("test", "PROCESSES=1", DISPLAY=":7")
    assert of_pytest(ran) == "python -m pytest on Xvfb"


def test_the_demo_opens_napari_on_a_screen(machine):
    done, ran = machine.makes("demo", DISPLAY=":7")
    assert done.returncode == 0, done.stderr
    assert ran[-1] == "python -m napari_dip.plugin.demo on :7"
    assert [line for line in ran if "--editable .[napari]" in line]
    assert [line for line in ran if line.startswith("apt-get") and "libegl1" in line]


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [([], {}), (["SCREEN="], {"DISPLAY": ":7"})],
    ids=["there is none", "it is not wanted"],
)
def test_the_demo_writes_pictures_where_there_is_no_screen(machine, arguments, variables):
    done, ran = machine.makes("demo", *arguments, **variables, user=1000)
    assert done.returncode == 0, done.stderr
    assert ran[-1].startswith("python -m napari_dip demo --output demo on ")
    assert [line for line in ran if "--editable . on" in line]
    assert not [line for line in ran if line.startswith("apt-get")]


def test_the_demo_says_what_to_install_before_it_installs_napari(machine):
    done, ran = machine.makes("demo", user=1000, DISPLAY=":7")
    assert done.returncode != 0
    assert "sudo apt-get install" in done.stderr
    assert not ran


def test_a_broken_environment_is_made_again(machine):
    machine.has("python3", f"{PYTHON}\ncase $* in *pip*) [ -e repaired ] || exit 1 ;; esac")
    done, _ = machine.makes("demo")
    assert done.returncode != 0
    (machine.checkout / "repaired").touch()
    done, ran = machine.makes("demo")
    assert done.returncode == 0, done.stderr
    assert [line for line in ran if line.startswith("python -m venv .venv")]


def test_the_documentation_is_built_with_its_own_dependencies(machine):
    done, ran = machine.makes("docs")
    assert done.returncode == 0, done.stderr
    assert [line for line in ran if "--group docs" in line]
    assert "--fail-on-warning" in ran[-1]


def test_clean_takes_away_what_was_made(machine):
    before = set(machine.checkout.iterdir())
    machine.makes("test")
    for name in ("build", "dist", "demo"):
        (machine.checkout / name).mkdir()
    done, _ = machine.makes("clean")
    assert done.returncode == 0, done.stderr
    assert set(machine.checkout.iterdir()) == before
