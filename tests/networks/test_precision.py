"""The number format of a network depends on the processor alone."""

import threading

import pytest
import torch

from napari_dip.networks import precision
from napari_dip.networks.precision import compute_dtype, multiplies_bfloat16, resolved_precision


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True}, "float32"),
        ({"avx512_f": True, "avx512_bf16": False}, "float32"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True}, "bfloat16"),
        ({}, "float32"),
    ],
)
def test_auto_takes_what_the_processor_has_instructions_for(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert resolved_precision("auto", "cpu") == expected


def test_a_torch_that_does_not_tell_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolved_precision("auto", "cpu") == "float32"


def test_what_else_the_machine_does_changes_nothing():
    usual, stop = compute_dtype("auto", torch.device("cpu")), threading.Event()

    def work():
        while not stop.is_set():
            torch.rand(64, 64) @ torch.rand(64, 64)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        assert {compute_dtype("auto", torch.device("cpu")) for _ in range(20)} == {usual}
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert not hasattr(precision, "time")


def test_what_is_asked_for_is_taken_on_every_device():
    for device in ("cpu", "meta"):
        assert compute_dtype("bfloat16", torch.device(device)) == torch.bfloat16
        assert compute_dtype("float32", torch.device(device)) == torch.float32
    assert not multiplies_bfloat16("meta")
