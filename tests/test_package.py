import re
from pathlib import Path

import napari_dip

ROOT = Path(__file__).parents[1]


def test_the_manifest_is_valid():
    from npe2 import PluginManifest

    manifest = PluginManifest.from_file(ROOT / "napari.yaml")
    assert manifest.name == "napari-dip"


def test_the_manifest_at_the_top_is_the_packaged_one():
    assert (ROOT / "napari.yaml").resolve() == Path(napari_dip.__file__).parent / "napari.yaml"


def test_the_version_stands_in_one_place():
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", napari_dip.__version__)
    texts = [path.read_text() for path in (ROOT / "pyproject.toml", *ROOT.glob("src/**/*.py"))]
    assert sum(text.count(f'"{napari_dip.__version__}"') for text in texts) == 1
