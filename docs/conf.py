"""How Sphinx builds the documentation: ``python -m sphinx -W --keep-going -b html docs build/site``."""

import sys
from importlib.metadata import metadata
from pathlib import Path

from numpydoc.xref import DEFAULT_LINKS

import napari_dip

sys.path.insert(0, str(Path(__file__).with_name("_extensions")))
sys.argv[0] = "sphinx"  # of "python -m sphinx" cyclopts would make a part of each command

PACKAGE = metadata("napari-dip")
#: Addresses by their label: nowhere but in the package's metadata is any of them written down.
ADDRESSES = dict(entry.split(", ", 1) for entry in PACKAGE.get_all("Project-URL") or ())
REPOSITORY = ADDRESSES.get("Source")

project = PACKAGE["Name"]
author = PACKAGE["Author"]
version = release = PACKAGE["Version"]
project_copyright = author

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "cyclopts.ext.sphinx",
    "public_names",
    "repository_links",
]

# Every link inside of the site has to lead somewhere; `-b linkcheck` tries those that leave it.
nitpicky = True
nitpick_ignore_regex = [
    # Docstrings set parameters and commands in the same way as names that are links.
    ("py:obj", r"[a-z_]+|napari-dip [a-z-]+"),
]

myst_heading_anchors = 3  # levels of headings that links can lead to

# The reference is made from the docstrings, which say the types; those that are public are links.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
DEFAULT_LINKS.clear()  # they lead to the sites of Python and NumPy
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {name: f"napari_dip.{name}" for name in napari_dip.__all__}
maximum_signature_line_length = 80
default_role = "py:obj"
smartquotes = False  # they make a dash of the two of a flag
public_names_package = "napari_dip"

# Files beside docs/ that a page of the site includes.
repository_address = REPOSITORY
repository_pages = {
    "README.md": "getting-started.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "measurements.md",
}

html_title = f"{project} {release}"
html_theme = "furo"
html_baseurl = ADDRESSES.get("Documentation", "")
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
if REPOSITORY:
    linkcheck_ignore = [f"{REPOSITORY}/blob/.*"]  # made of files that are there
    html_theme_options |= {
        "source_repository": f"{REPOSITORY}/",
        "source_branch": "main",
        "source_directory": "docs/",
        "footer_icons": [{"name": "Source code", "url": REPOSITORY, "html": "Source code", "class": ""}],
    }
