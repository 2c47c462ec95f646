"""A hook of the build: the README in the package's metadata has no relative addresses.

Where the metadata are shown, on a package index or on the napari hub, there are no files beside them. So
pictures get the address of the raw file in the repository, and links get that of its page. The address of the
repository is the one in ``[project.urls]`` of pyproject.toml.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

BRANCH = "main"
PICTURE = re.compile(r"(!\[[^]]*\])\((?![a-z]+:)([^)]+)\)")
LINK = re.compile(r"((?<!!)\[[^]]*\])\((?!#|[a-z]+:)([^)]+)\)")


def absolute(text: str, repository: str) -> str:
    """Return a page of the repository's root with absolute addresses."""
    raw = repository.replace("//github.com/", "//raw.githubusercontent.com/")
    text = PICTURE.sub(rf"\1({raw}/{BRANCH}/\2)", text)
    return LINK.sub(rf"\1({repository}/blob/{BRANCH}/\2)", text)


class ReadmeAddresses(MetadataHookInterface):
    """Sets the dynamic field ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Write the README into the metadata."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        address = metadata["urls"]["Source"]
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, address)}
