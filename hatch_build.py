"""What the package's metadata take from elsewhere when it is built."""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Readme(MetadataHookInterface):
    """The README as the description, with the addresses of the repository's files in full.

    In the repository its links are relative. Where else the description is shown, on package indexes and in
    napari's list of plugins, they would lead nowhere and the pictures would be missing.
    """

    def update(self, metadata: dict) -> None:
        """Add the description to the metadata that ``pyproject.toml`` gives."""
        source = metadata["urls"]["Source"]
        text = Path(self.root, "README.md").read_text(encoding="utf-8")

        def absolute(link: re.Match) -> str:
            folder = "raw" if link["text"].startswith("!") else "blob"
            return f"{link['text']}({source}/{folder}/HEAD/"

        text = re.sub(r"(?P<text>!?\[[^\]]*\])\((?!\w+:|#)", absolute, text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
