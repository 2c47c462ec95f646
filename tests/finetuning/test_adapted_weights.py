import copy
import gc
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from napari_dip.errors import FileError
from napari_dip.finetuning import adapted_weights
from napari_dip.finetuning.adapted_weights import AdaptedWeights


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder for temporary files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def weights():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)).state_dict()


def same(first, second):
    return list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)


def test_it_is_the_state_dictionary(folder, weights):
    kept = AdaptedWeights(weights)
    assert same(kept, weights)
    assert len(kept) == len(weights)
    assert kept["1.num_batches_tracked"].dtype == torch.int64
    with pytest.raises(KeyError):
        kept["nothing"]
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
    network.load_state_dict(dict(kept))


def test_the_file_goes_with_the_object(folder, weights):
    kept = AdaptedWeights(weights)
    value = kept["0.weight"]
    assert len(list(folder.iterdir())) == 1
    del kept
    gc.collect()
    assert list(folder.iterdir()) == []
    assert torch.equal(value, weights["0.weight"])


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_does_not_need_the_file(copied, folder, weights):
    other = copied(AdaptedWeights(weights))
    gc.collect()
    assert list(folder.iterdir()) == []
    assert same(other, weights)


def test_a_change_of_a_tensor_does_not_reach_the_file(folder, weights):
    kept = AdaptedWeights(weights)
    kept["0.weight"].zero_()
    assert same(kept, weights)


def test_a_full_disk_is_an_error(folder, weights, monkeypatch):
    usage = SimpleNamespace(total=2**40, free=2**30)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FileError, match=r"the disk with the folder .* is full"):
        AdaptedWeights(weights)
    usage.free += 2**20
    assert same(AdaptedWeights(weights), weights)


def test_a_file_that_can_not_be_written_is_an_error_and_leaves_nothing(folder, weights, monkeypatch):
    def write(path, *_):
        Path(path).write_bytes(b"half of it")
        raise FileError(f"can't write {path}: no space left on device")

    monkeypatch.setattr(adapted_weights, "write_tensors", write)
    with pytest.raises(FileError, match="no space left"):
        AdaptedWeights(weights)
    gc.collect()
    assert list(folder.iterdir()) == []


def test_a_missing_folder_is_an_error(weights, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(FileError, match="temporary files"):
        AdaptedWeights(weights)
