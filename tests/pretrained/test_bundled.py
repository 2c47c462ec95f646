import torch

from napari_dip.pretrained import bundled as module
from napari_dip.pretrained.bundled import bundled


def test_there_is_no_network_for_other_factors():
    assert bundled("super-resolve", 5) is None
    assert bundled("super-resolve", 2, pre_upsampled=True) is None


def test_a_file_is_read_once(monkeypatch):
    reads = []

    def load(path):
        reads.append(path)
        return original(path)

    original = module.load
    monkeypatch.setattr(module, "load", load)
    module._read.cache_clear()
    for _ in range(3):
        bundled("denoise")
    assert [path.name for path in reads] == ["dncnn.safetensors"]


def test_a_change_of_one_copy_does_not_reach_the_next():
    first = bundled("denoise")
    with torch.no_grad():
        for value in first.network.parameters():
            value.zero_()
    assert all(value.any() for value in bundled("denoise").network.parameters())
