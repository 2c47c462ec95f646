import subprocess
import sys

import pytest

from napari_dip.pkn.settings import Training


def test_the_weakest_noise_must_not_exceed_the_strongest():
    with pytest.raises(ValueError, match=r"weakest must not be above strongest, got 9\.0 and 3\.0"):
        Training(weakest=9.0, strongest=3.0)


@pytest.mark.parametrize(
    "wrong", [{"kernel": "box"}, {"factor": 5}, {"iterations": 0}, {"weakest": 0.0}, {"seed": -1}]
)
def test_settings_beyond_their_limits_are_errors(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"Training.{name} must be"):
        Training(**wrong)


def test_importing_the_settings_loads_no_torch():
    code = "import sys, napari_dip.pkn.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
