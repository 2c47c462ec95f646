"""Times, sizes and ends of runs in words."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from napari_dip.solver.iterate import Outcome

if TYPE_CHECKING:
    from napari_dip.reports import Restoration


def summary(result: "Restoration") -> str:
    """Return in words how the frames of a run ended."""
    ends = Counter(frame.outcome for frame in result.frames)
    why = " ".join(
        outcome.value if len(ends) == 1 else f"{outcome.value} ({count} of {len(result.frames)} frames)"
        for outcome, count in ends.items()
    )
    frames = len(result.frames)
    time = duration(sum(frame.seconds for frame in result.frames))
    if set(ends) == {Outcome.COMPUTED}:
        return f"{why.rstrip('.')}, in {time}."
    what = f"Update {result.frames[0].updates} was kept" if frames == 1 else f"{frames} frames are restored"
    return f"{why} {what}, after {time}."


def memory(count: int) -> str:
    """Return a number of bytes in the unit that suits it."""
    return f"{count / 2**30:.1f} GiB" if count > 2**30 / 10 else f"{count / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 180:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 90 else f"{math.ceil(minutes / 6) / 10:.1f} hours"


def flag_names(classes: Iterable[type]) -> dict[str, type]:
    """Return classes by what the command line calls them, such as ``richardson-lucy``."""
    return {re.sub("(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower(): cls for cls in classes}


def sentence(reason: str) -> str:
    """Return a reason with a capital and a full stop."""
    return reason[:1].upper() + reason[1:].rstrip(".") + "."
