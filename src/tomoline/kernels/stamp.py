"""Stamping numbers on grey pictures: digits of five by seven dots, no font needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

# Seven rows of five dots, the leftmost dot is the highest bit.
_DOTS = {
    "0": (0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E),
    "1": (0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E),
    "2": (0x0E, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1F),
    "3": (0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E),
    "4": (0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02),
    "5": (0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E),
    "6": (0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E),
    "7": (0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08),
    "8": (0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E),
    "9": (0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C),
    ".": (0x00, 0x00, 0x00, 0x00, 0x00, 0x0C, 0x0C),
    "-": (0x00, 0x00, 0x00, 0x1F, 0x00, 0x00, 0x00),
    " ": (0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00),
    "p": (0x00, 0x00, 0x1E, 0x11, 0x1E, 0x10, 0x10),
    "x": (0x00, 0x00, 0x11, 0x0A, 0x04, 0x0A, 0x11),
}
_HIGH, _WIDE = 7, 5


def text_dots(text: str) -> NDArray[np.bool_]:
    """Return the dots of a text of digits, ``.``, ``-``, ``p``, ``x`` and blanks, (7, 6 n - 1).

    >>> text_dots("1").astype(int)[0].tolist()
    [0, 0, 1, 0, 0]
    """
    dots = np.zeros((_HIGH, (_WIDE + 1) * len(text) - 1), bool)
    for place, letter in enumerate(text):
        left = place * (_WIDE + 1)
        for row, bits in enumerate(_DOTS[letter]):
            for column in range(_WIDE):
                dots[row, left + column] = bits >> (_WIDE - 1 - column) & 1
    return dots


def stamp(picture: Bytes, text: str, top: int, left: int, scale: int = 2) -> None:
    """Write a text, white on black, into a picture in place; what does not fit is cut off."""
    dots = np.pad(text_dots(text), 2).repeat(scale, axis=0).repeat(scale, axis=1)
    area = picture[top : top + dots.shape[0], left : left + dots.shape[1]]
    area[...] = np.where(dots[: area.shape[0], : area.shape[1]], 255, 0)


def frame(picture: Bytes, top: int, left: int, height: int, width: int, pen: int = 3) -> None:
    """Draw a white frame just inside a rectangle."""
    area = picture[top : top + height, left : left + width]
    area[:pen] = area[-pen:] = 255
    area[:, :pen] = area[:, -pen:] = 255
