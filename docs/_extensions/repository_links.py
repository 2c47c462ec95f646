"""Links between the site and the files around it.

Pages are also read in the repository, and the site includes files that lie outside of docs/, such as the
README: their links name files as they lie in the repository. Here such a link leads to the page that shows
the file; to the file in the repository where no page does; and is plain text where the repository has no
address.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

LINK = re.compile(r"\[(?P<text>[^][]*)\]\((?P<path>[\w./-]+)(?P<part>#[\w-]+)?\)")


def rewritten(app: Sphinx, text: str, file: Path) -> str:
    """Return the text of a file with its links as the site needs them."""
    docs = Path(app.srcdir)
    root = docs.parent
    pages = {root / name: docs / page for name, page in app.config.repository_pages.items()}
    address = app.config.repository_address

    def link(found: re.Match[str]) -> str:
        target = Path(os.path.normpath(file.parent / found["path"]))
        # Neither code that looks like a link, nor what is in its place already, is touched.
        if not target.exists() or (file.is_relative_to(docs) and target.is_relative_to(docs)):
            return found[0]
        page = pages.get(target, target)
        if page.is_relative_to(docs):
            # Where the text is but the file's name, the page's title takes its place.
            text = "" if found["text"] == found["path"] else found["text"]
            return f"[{text}](/{page.relative_to(docs).as_posix()}{found['part'] or ''})"
        outside = target.relative_to(root).as_posix()
        return f"[{found['text']}]({address}/blob/main/{outside})" if address else found["text"]

    return LINK.sub(link, text)


def read(app: Sphinx, docname: str, content: list[str]) -> None:
    """Rewrite a page."""
    content[0] = rewritten(app, content[0], Path(app.env.doc2path(docname)))


def included(app: Sphinx, file: Path, docname: str, content: list[str]) -> None:
    """Rewrite a file that a page includes; its path is relative to the pages."""
    content[0] = rewritten(app, content[0], Path(os.path.normpath(app.srcdir / file)))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Rewrite each file as it is read."""
    app.add_config_value("repository_address", None, "env", (str, type(None)))
    app.add_config_value("repository_pages", {}, "env", dict)
    app.connect("source-read", read)
    app.connect("include-read", included)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
