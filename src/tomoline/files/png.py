"""Grey pictures as PNG files."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a grey picture (y, x), row 0 at the top, without loss."""
    from imagecodecs import png_encode

    return bytes(png_encode(picture, level=4))
