"""What can go wrong in words for the user."""


class RestorationError(Exception):
    """A run that failed, with what to do about it.

    It is deliberately no :class:`RuntimeError`: Qt workers swallow those when a generator raises them.
    """


class FileError(ValueError):
    """A file that can't be read or written, with the reason."""
