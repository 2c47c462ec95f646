"""Document the public names of a package, each exactly once.

The directive takes the name of a class or function a line. After a colon it may name members that are
documented too; ``*`` stands for all of them::

    .. public-names::

       restore
       Restoration: outcome
       Outcome: *

A name of the package's ``__all__`` that no page documents is a warning, and so is a name that is documented
but not in ``__all__``. Sphinx itself warns of a name that is documented twice.
"""

import inspect
from enum import Enum
from importlib import import_module

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

logger = logging.getLogger(__name__)


class PublicNames(SphinxDirective):
    """A table of names with their summaries, then what their docstrings say."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return what autosummary and autodoc make of the names."""
        package = import_module(self.config.public_names_package)
        parts = (line.partition(":") for line in self.content if line.strip())
        names = {name.strip(): members.strip() for name, _, members in parts}
        lines = [f".. currentmodule:: {package.__name__}", "", ".. autosummary::", "   :nosignatures:", ""]
        lines += [*(f"   {name}" for name in names), ""]
        for name, members in names.items():
            lines.append(f".. auto{_kind(getattr(package, name))}:: {name}")
            if members:
                lines.append(f"   :members: {members.removeprefix('*')}")
            if members == "*":
                lines.append("   :undoc-members:")
            lines.append("")
        source, _ = self.get_source_info()
        return self.parse_text_to_nodes(StringList(lines, source))


def _kind(value: object) -> str:
    if inspect.isclass(value):
        return "exception" if issubclass(value, BaseException) else "class"
    return "function"


def shorter(
    app: Sphinx,
    what: str,
    name: str,
    value: object,
    options: object,
    arguments: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Return a signature without what says nothing: the call of an enumeration, and made defaults."""
    if inspect.isclass(value) and issubclass(value, Enum):
        return "", returns
    return arguments and arguments.replace("<factory>", "..."), returns


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn where the documented names are not those that the package calls public."""
    package = import_module(app.config.public_names_package)
    prefix = f"{package.__name__}."
    objects = env.domains.python_domain.objects
    documented = {name.removeprefix(prefix) for name in objects if name.startswith(prefix)}
    documented = {name for name in documented if "." not in name}
    public = {name for name in package.__all__ if not name.startswith("_")}
    for name in sorted(public - documented):
        logger.warning("%s%s is public, and no page of the reference has it", prefix, name)
    for name in sorted(documented - public):
        logger.warning("%s%s is in the reference, and not in __all__", prefix, name)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the directive and the check."""
    app.add_config_value("public_names_package", "", "env", str)
    app.add_directive("public-names", PublicNames)
    app.connect("autodoc-process-signature", shorter)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
