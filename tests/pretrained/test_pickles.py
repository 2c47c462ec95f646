"""Files of torch.save are refused, in words and before they take memory, if they hold more than they may."""

import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from napari_dip.errors import FileError
from napari_dip.pretrained.architectures import Compact
from napari_dip.pretrained.files import load

from .conftest import randomised

resource = pytest.importorskip("resource")

WEIGHTS = randomised(Compact(1, 2, 5, 2)).state_dict()


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Built:
    """Pickles as the call of a function, whose result is then given a state."""

    def __init__(self, function, arguments, state):
        self.call = function, arguments, state

    def __reduce__(self):
        return self.call


def old(contents, path):
    """Save in the older format."""
    torch.save(contents, path, _use_new_zipfile_serialization=False)


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    """Write an archive again with other contents: `change` takes a dictionary of bytes by name."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)


@pytest.fixture
def memory():
    """Return a function that returns how many bytes the process has grown by, at its largest."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return lambda: 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def assert_refused(path, *words, memory=None):
    with pytest.raises(FileError) as caught:
        load(path)
    assert path.name in str(caught.value)
    assert any(word in str(caught.value) for word in words or (" ",)), str(caught.value)
    assert memory is None or memory() < 2**28


HUGE = 2_000_000_000

LYING = {
    "expanded": lambda: torch.zeros(1).expand(HUGE),
    "expanded once": lambda: torch.zeros(4, 1).expand(4, 2),
    "expanded in the middle": lambda: torch.zeros(40, 1, 40).expand(40, HUGE, 40),
    "overlapping": lambda: torch.zeros(1000).as_strided((500, 500), (1, 1)),
    "parameter": lambda: torch.nn.Parameter(torch.zeros(1).expand(HUGE)),
}


@pytest.mark.parametrize("save", [torch.save, old])
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("kind", LYING)
def test_weights_larger_than_their_storage_are_refused(kind, beside, save, memory, tmp_path):
    contents = {"body.0.weight": LYING[kind]()} if not beside else {"state_dict": WEIGHTS, "x": LYING[kind]()}
    save(contents, tmp_path / "a.pth")
    assert (tmp_path / "a.pth").stat().st_size < 20_000
    assert_refused(tmp_path / "a.pth", "claim more values than the file holds", memory=memory)


def storage(kind=torch.FloatStorage, key="0", count=1):
    return kind, key, count


class Pickler(pickle.Pickler):
    """Writes tuples of `storage` as torch writes storages."""

    def persistent_id(self, one):
        if isinstance(one, tuple) and len(one) == 3 and isinstance(one[0], type):
            return ("storage", one[0], one[1], "cpu", one[2])
        return None


def archive(contents, path, data=b"\0" * 4):
    """Write an archive as torch does, with any contents of its pickle and one storage."""
    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump(contents)
    with zipfile.ZipFile(path, "w") as file:
        for name, one in {
            "data.pkl": stream.getvalue(),
            "byteorder": b"little",
            "data/0": data,
            "version": b"3",
        }.items():
            file.writestr(f"archive/{name}", one)


def tensor(place, offset=0, shape=(1,), strides=(1,), function=torch._utils._rebuild_tensor_v2):
    return Call(function, place, offset, shape, strides, False, OrderedDict())


CLAIMS = {
    "storage": tensor(storage(count=10**10), 0, (10**10,)),
    "no such storage": tensor(storage(key="7")),
    "wider type": tensor(storage(torch.DoubleStorage)),
    "shape": tensor(storage(), 0, (10**10,)),
    "offset": tensor(storage(), 10**10),
    "stride": tensor(storage(count=1), 0, (2,), (10**10,)),
    "negative offset": tensor(storage(), -1),
    "negative shape": tensor(storage(), 0, (-1,)),
    "negative stride": tensor(storage(count=1), 0, (1,), (-1,)),
    "boolean shape": tensor(storage(), 0, (True,)),
    "fractional shape": tensor(storage(), 0, (1.5,)),
    "text as shape": tensor(storage(), 0, "11"),
    "negative count": tensor(storage(count=-1)),
    "many axes": tensor(storage(), 0, (1,) * 1000, (1,) * 1000),
    "shape without strides": tensor(storage(), 0, (1, 1), (1,)),
    "bytearray": Call(bytearray, 10**11),
    "bytes": Call(bytes, 10**11),
    "tensor of a size": Call(torch.FloatTensor, 10**11),
    "storage of a size": Call(torch.FloatStorage, 10**11),
    "meta": lambda: torch.zeros(10**11, device="meta"),
    "sparse": lambda: torch.sparse_coo_tensor(
        torch.zeros(1, 1, dtype=torch.int64), torch.ones(1), (10**11,), check_invariants=True
    ),
    "quantized": lambda: torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.quint8),
    "array of a size": Call(np._core.multiarray._reconstruct, np.ndarray, (10**11,), b"b"),
    "array by its class": Call(np.ndarray, (10**11,)),
    "dtype of a size": Call(np.dtype, "V2000000000"),
    "objects of NumPy": Call(np.dtype, "O"),
    "dtype with a state": Built(np.dtype, ("f8",), (3, "<", None, None, None, 10**9, -1, 0)),
    "dictionary with attributes": Built(OrderedDict, (), {"items": 3}),
    "code as text": Call(__import__("_codecs").encode, "x", "zlib_codec"),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", CLAIMS)
def test_what_would_take_memory_is_refused(kind, memory, tmp_path):
    path = tmp_path / "a.pth"
    if callable(CLAIMS[kind]):
        torch.save({"x": CLAIMS[kind]()}, path)
    else:
        archive({"x": CLAIMS[kind]}, path)
    assert_refused(path, memory=memory)


def test_this_way_to_write_archives_gives_files_that_torch_reads(tmp_path):
    archive({"x": tensor(storage())}, tmp_path / "a.pth", struct.pack("<f", 2.5))
    assert torch.load(tmp_path / "a.pth", weights_only=True) == {"x": torch.tensor([2.5])}
    assert_refused(tmp_path / "a.pth", "architecture")


def test_the_older_format_may_not_claim_more_than_the_file_holds(memory, tmp_path):
    old({"body.0.weight": torch.zeros(12345)}, tmp_path / "a.pth")
    stored = (tmp_path / "a.pth").read_bytes()
    assert stored.count(struct.pack("<H", 12345)) >= 2
    (tmp_path / "a.pth").write_bytes(
        stored.replace(b"M" + struct.pack("<H", 12345), b"J" + struct.pack("<i", 2**31 - 1))
    )
    assert_refused(tmp_path / "a.pth", "claim more bytes than the file holds", memory=memory)


@pytest.mark.parametrize("place", range(5))
def test_none_of_the_pickles_in_the_older_format_takes_memory(place, memory, tmp_path):
    pickles = [0x1950A86A20F9469CFC6C, 1001, {}, {}, []]
    (tmp_path / "a.pth").write_bytes(b"".join(pickle.dumps(one, 2) for one in pickles))
    assert torch.load(tmp_path / "a.pth", weights_only=True) == {}
    pickles[place] = Call(bytearray, 10**11)
    (tmp_path / "a.pth").write_bytes(b"".join(pickle.dumps(one, 2) for one in pickles))
    assert_refused(tmp_path / "a.pth", "bytearray when opened", memory=memory)


@pytest.mark.parametrize("attributes", [{"name": "torch.Size"}, {"__class__": 3}])
def test_a_pickle_does_not_change_what_it_is_checked_with(attributes, tmp_path):
    path = tmp_path / "a.pth"
    archive({}, path)
    state = pickle.dumps(attributes, 2)[2:-1]
    for name in (b"cnumpy\ndtype\n", b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n"):
        for given in (state, b"N" + state + b"\x86"):
            code = b"\x80\x02" + name + given + b"b."
            rewritten(path, lambda contents, code=code: contents.update({"archive/data.pkl": code}))
            assert_refused(path, "it is broken")


@pytest.mark.parametrize("name", ["archive/data/0", "archive/more", "archive/data.pkl"])
def test_an_archive_unpacks_to_a_limit(name, memory, tmp_path):
    path = tmp_path / "a.pth"
    archive({"x": tensor(storage())}, path)
    rewritten(path, lambda contents: contents.update({name: bytes(2**27)}), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 300_000
    before = memory()
    assert_refused(path, "that unpacks to")
    assert memory() - before < 2**25


def test_an_archive_of_claims_is_refused(memory, tmp_path):
    """Many entries can name the same bytes, so that a file unpacks to more than itself uncompressed."""
    path = tmp_path / "a.pth"
    archive({"x": tensor(storage())}, path, bytes(2**20))
    stored = path.read_bytes()
    start = stored.index(b"PK\1\2")
    with zipfile.ZipFile(path) as file:
        entries = len(file.infolist())
    at = stored.index(b"archive/data/0", start) - 46
    entry = stored[at : at + 46 + len("archive/data/0")]
    copies = b"".join(
        entry.replace(b"data/0", b"data/%c" % n) for n in range(0x30 + 10, 0x30 + 40) if n != 0x30
    )
    directory = stored[start : stored.index(b"PK\5\6")] + copies
    count = entries + len(copies) // len(entry)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(directory), start, 0)
    path.write_bytes(stored[:start] + directory + end)
    with zipfile.ZipFile(path) as file:
        assert sum(one.file_size for one in file.infolist()) > 26 * 2**20
    assert_refused(path, "unpacks to", "broken", memory=memory)


def test_an_archive_with_two_files_of_one_name_is_refused(tmp_path):
    """Programs differ in which of them they read."""
    path = tmp_path / "a.pth"
    torch.save(WEIGHTS, path)
    with zipfile.ZipFile(path, "a") as file:
        name = next(one for one in file.namelist() if one.endswith("data.pkl"))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr(name, b"x")
    assert_refused(path, "it is broken")
    torch.save(WEIGHTS, path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(name.upper(), b"x")
    assert_refused(path, "it is broken")


def test_a_pickle_with_an_archive_behind_it_is_read_as_torch_reads_it(tmp_path):
    good, path = io.BytesIO(), tmp_path / "a.pth"
    torch.save(WEIGHTS, good)
    old({"x": torch.zeros(1).expand(HUGE)}, path)
    path.write_bytes(path.read_bytes() + good.getvalue())
    assert_refused(path, "claim more values than the file holds")


def nested_pickle(kind, depth=200_000):
    """Return a deeply nested pickle, which Python's own pickler can't write."""
    opening = {"list": b"](", "mapping": b"}(U\nstate_dict", "tuple": b""}[kind]
    closing = {"list": b"e", "mapping": b"u", "tuple": b"\x85"}[kind]
    return b"\x80\x02}(U\x01x" + opening * depth + b"N" + closing * depth + b"u."


@pytest.mark.parametrize("kind", ["list", "mapping", "tuple"])
def test_deep_nesting_ends(kind, tmp_path):
    path = tmp_path / "a.pth"
    archive({}, path)
    rewritten(path, lambda contents: contents.update({"archive/data.pkl": nested_pickle(kind)}))
    assert_refused(path)


@pytest.mark.parametrize("place", ["key", "set"])
def test_nested_keys_are_refused(place, tmp_path):
    """The hash of a tuple within a tuple takes time and space that grow with each level."""
    path = tmp_path / "a.pth"
    archive({}, path)
    key = b"N" + b"\x85" * 1_000_000
    code = {"key": b"}(" + key + b"Nu.", "set": b"c__builtin__\nset\n](" + key + b"e\x85R."}[place]
    rewritten(path, lambda contents: contents.update({"archive/data.pkl": b"\x80\x02" + code}))
    assert_refused(path, "it is broken")


def test_circles_end(tmp_path):
    circle = {}
    for name in ("state_dict", "model", "x"):
        circle[name] = circle
    circle["more"] = [circle]
    torch.save(circle, tmp_path / "a.pth")
    assert_refused(tmp_path / "a.pth", "holds more than weights")
    torch.save({**WEIGHTS, "x": circle}, tmp_path / "a.pth")
    assert load(tmp_path / "a.pth").architecture == "Compact"


PLAIN = {
    "epoch": 3,
    "best": 31.5,
    "name": "Compact",
    "note": None,
    "done": True,
    "losses": [0.5, 0.25],
    "sizes": (1, 2),
    "options": {"lr": 1e-3, "betas": (0.9, 0.999), 3: "x"},
    "bytes": b"\x80x",
    "no bytes": b"",
    "set": {1, 2},
    "complex": 1j,
    "large": 2**40,
    "shape": torch.Size([1, 2]),
    "device": torch.device("cpu"),
    "dtype": torch.float32,
    "psnr": np.float64(31.5),
    "half": np.float16(1.5),
    "steps": np.int64(1000),
    "small": np.uint8(3),
    "flag": np.bool_(True),
    "array": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.ones((2, 3), ">i4")),
    "empty": np.zeros(0),
}


@pytest.mark.parametrize("save", [torch.save, old])
@pytest.mark.parametrize("kind", PLAIN)
def test_plain_values_beside_the_weights_are_left_out(kind, save, tmp_path):
    for contents in ({"state_dict": WEIGHTS, kind: PLAIN[kind]}, {**WEIGHTS, kind: PLAIN[kind]}):
        save(contents, tmp_path / "a.pth")
        found = load(tmp_path / "a.pth")
        assert found.architecture == "Compact"
        for name, value in found.network.state_dict().items():
            assert torch.equal(value, WEIGHTS[name])


def test_names_of_all_versions_of_numpy_are_known(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"state_dict": WEIGHTS, "psnr": np.float64(3), "array": np.ones(3)}, path)

    def older(contents):
        (name,) = (one for one in contents if one.endswith("data.pkl"))
        contents[name] = contents[name].replace(b"numpy._core", b"numpy.core")

    rewritten(path, older)
    assert load(path).architecture == "Compact"


def test_what_torch_may_open_is_as_before(tmp_path):
    own = [np.dtype, (np.ndarray, "numpy.ndarray")]
    path = tmp_path / "a.pth"
    for known in ([], own):
        with torch.serialization.safe_globals(known):
            before = set(torch.serialization.get_safe_globals())
            torch.save({"state_dict": WEIGHTS, "psnr": np.float64(3)}, path)
            assert load(path).architecture == "Compact"
            assert set(torch.serialization.get_safe_globals()) == before
            torch.save({"state_dict": WEIGHTS, "x": Call(os.getcwd)}, path)
            assert_refused(path, "getcwd when opened")
            assert set(torch.serialization.get_safe_globals()) == before


def test_weights_that_share_memory_are_counted_once_each(tmp_path):
    shared = torch.zeros(1000)
    torch.save({f"x{n}": shared for n in range(20_000)}, tmp_path / "a.pth")
    assert_refused(tmp_path / "a.pth", "it holds 20000 weights, the limit is 10000")
