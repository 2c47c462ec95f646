"""No change of the code changes a pixel unawares."""

import json

import numpy as np
import pytest

from . import pixels

RECORD = json.loads(pixels.RECORD.read_text())
#: Grey levels by which another machine's rounding may move a pixel; the noise has 10 of them.
APART = 2.0


@pytest.fixture(scope="module")
def restored():
    return pixels.restored()


def test_every_case_is_recorded(restored):
    assert restored.keys() == RECORD["cases"].keys()


def test_pixels_are_those_of_the_record(restored):
    """Bit by bit where the record was made; elsewhere as near as other processors round."""
    found = {name: pixels.summary(image) for name, image in restored.items()}
    if pixels.machine() == RECORD["machine"]:
        other = [name for name, value in found.items() if value != RECORD["cases"][name]]
    else:
        other = [
            name
            for name, value in found.items()
            if value["shape"] != RECORD["cases"][name]["shape"]
            or np.abs(np.subtract(value["pixels"], RECORD["cases"][name]["pixels"])).max() > APART
        ]
    assert not other
