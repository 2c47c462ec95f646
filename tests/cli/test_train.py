"""A network of one's own is trained and used."""

import pytest

from .running import run


def test_a_network_of_ones_own_is_trained_and_used(cells, tmp_path, capsys):
    weights = tmp_path / "mine.safetensors"
    training = ["train-pkn", cells, "--noisy", "--sigma", 20, "--iterations", 3, "--output", weights]
    assert run(*training) == 0
    said = capsys.readouterr().err
    assert "The noise: σ = 20 grey levels" in said
    assert "of 3 iterations" in said
    assert "written after" in said
    arguments = ["--method", "pkn", "--sigma", 20, "--weights", weights]
    assert run("denoise", cells, tmp_path / "out.tif", *arguments) == 0
    assert run(*training) == 2
    assert "exists" in capsys.readouterr().err
    assert run("denoise", cells, tmp_path / "b.tif", *arguments, "--kernel", "nlm") == 2
    assert "network of another kernel" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "mine.pth"], "the suffix must be .safetensors"),
        (["IN", "IN", "--noisy", "--output", "mine.safetensors"], "--noisy needs exactly one image, got 2"),
        ([], "--output"),
    ],
)
def test_impossible_training_is_refused(cells, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run("train-pkn", *[cells if one == "IN" else one for one in arguments]) == 2
    assert message in capsys.readouterr().err
