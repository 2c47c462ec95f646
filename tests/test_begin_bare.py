"""The gate begins on a bare machine where it can, and says whether it did."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "begin-bare"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell script")


@pytest.fixture
def begin(tmp_path):
    """Run the script on a machine with some packages; return what it says and which packages are left."""

    def begin(packages, *, ci="true", user=0, needed=(), refused=(), processes=()):
        for folder, names in {"installed": packages, "needed": needed, "refused": refused}.items():
            (tmp_path / folder).mkdir()
            for name in names:
                (tmp_path / folder / name).touch()
        for number, stat in enumerate(processes):
            (tmp_path / "proc" / str(number)).mkdir(parents=True)
            (tmp_path / "proc" / str(number) / "stat").write_text(stat)
        commands = {
            "id": f"echo {user}",
            "dpkg": f"""cd {tmp_path}
[ -e "installed/$2" ] || exit 1
[ "$1" = --purge ] || exit 0
[ ! -e "needed/$2" ] || {{ echo "dependency problems prevent removal of $2" >&2; exit 1; }}
[ ! -e "refused/$2" ] || {{ echo "frontend lock was locked" >&2; exit 2; }}
rm "installed/$2\"""",
        }
        for name, does in commands.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
            (tmp_path / name).chmod(0o755)
        done = subprocess.run(
            ["/bin/sh", SCRIPT],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "CI": ci, "PROC": str(tmp_path / "proc")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert not done.stderr
        (said,) = done.stdout.splitlines()
        return said, {path.name for path in (tmp_path / "installed").iterdir()}

    return begin


def test_what_the_tests_install_is_taken_away_and_nothing_else(begin):
    said, left = begin(["xvfb", "libxcb-icccm4", "postgresql"])
    assert said == "began bare: took away xvfb libxcb-icccm4"
    assert left == {"postgresql"}


def test_a_bare_machine_is_left_as_it_is(begin):
    said, left = begin(["python3-venv"])
    assert said == "began bare: there was nothing to take away"
    assert left == {"python3-venv"}


def test_what_others_need_stays(begin):
    said, left = begin(["xvfb", "libgl1"], needed=["libgl1"])
    assert said == "began bare: took away xvfb"
    assert left == {"libgl1"}


@pytest.mark.parametrize(
    ("circumstances", "reason"),
    [
        ({"ci": ""}, "CI is not set"),
        ({"user": 1000}, "the user is not root"),
        ({"processes": ["7 (sh) S 1", "8 (Xvfb) S 7"]}, "an Xvfb of another run is alive"),
        ({"refused": ["xvfb"]}, "dpkg could not take away xvfb: frontend lock was locked"),
    ],
    ids=["a person", "no root", "another run", "dpkg is busy"],
)
def test_it_says_why_it_did_not(begin, circumstances, reason):
    said, left = begin(["xvfb"], **circumstances)
    assert said == f"did not begin bare because {reason}"
    assert left == {"xvfb"}


def test_an_xvfb_that_has_ended_does_not_count(begin):
    said, _ = begin(["xvfb"], processes=["8 (Xvfb) Z 1"])
    assert said == "began bare: took away xvfb"
