"""World coordinates in the header of a FITS file."""

import re
from typing import Any


def keep_world_coordinates(header: Any, origin: tuple[int, ...], factors: tuple[int, ...]) -> None:
    """Adapt the world coordinates to an image that was cropped and whose pixels were divided.

    Pixel p becomes f (p − first − ½) + ½, so each column of the matrix from pixels to intermediate world
    coordinates is divided by its factor f (Greisen & Calabretta, A&A 395, 2002, section 2.1). Distortion
    polynomials (SIP) map pixels to pixels.
    """
    first = dict(enumerate(reversed(origin), 1))  # FITS counts axes from the last one
    f = dict(enumerate(reversed(factors), 1))
    with_matrix = {match[1] for name in header if (match := re.fullmatch(r"CD\d+_\d+([A-Z]?)", name))}
    described = (re.fullmatch(r"(?:CTYPE|CRVAL|CRPIX|CDELT)(\d+)([A-Z]?)", name) for name in header)
    for axis, system in sorted({(int(match[1]), match[2]) for match in described if match}):
        start, times = first.get(axis, 0), f.get(axis, 1)
        place, step = f"CRPIX{axis}{system}", f"CDELT{axis}{system}"
        if start or times > 1:
            header[place] = (header.get(place, 0.0) - start - 0.5) * times + 0.5
        if times > 1 and (step in header or system not in with_matrix):
            header[step] = header.get(step, 1.0) / times
    for name in list(header):
        if match := re.fullmatch(r"CD\d+_(\d+)[A-Z]?", name):
            header[name] /= f.get(int(match[1]), 1)
        elif match := re.fullmatch(r"PC(\d+)_(\d+)[A-Z]?", name):  # CDELT has divided rows
            header[name] *= f.get(int(match[1]), 1) / f.get(int(match[2]), 1)
        elif match := re.fullmatch(r"([AB])P?_(\d+)_(\d+)", name):
            own = f[1 if match[1] == "A" else 2]
            header[name] *= own / (f[1] ** int(match[2]) * f[2] ** int(match[3]))
