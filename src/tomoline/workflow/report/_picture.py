"""Grey pictures for a report: contrast, size, encoding, scale bars and marks.

Pictures of tilt series are shown with row 0 at the bottom, as 3dmod does, those of scans with row 0
at the top, as viewers of their volumes do; marks are given in the array's own coordinates and
turned here.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def shrink(image: NDArray[np.generic], largest: int) -> tuple[Floats, int]:
    """Return an image (y, x) averaged so that no side is longer than `largest`, and the factor."""
    factor = max(1, math.ceil(max(image.shape) / largest))
    if factor == 1:
        return np.ascontiguousarray(image, dtype=np.float32), 1
    height, width = (size // factor * factor for size in image.shape)
    blocks = image[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return blocks.mean(axis=(1, 3), dtype=np.float32), factor


def contrast(image: NDArray[np.generic], deviations: float = 3.5) -> tuple[float, float]:
    """Return the values to show black and white: the median and so many robust SD around it.

    A few strong pixels, such as gold, do not flatten the rest.

    >>> contrast(np.zeros((4, 4)))
    (-0.5, 0.5)
    """
    sample = np.asarray(image[:: max(1, image.shape[0] // 256)], dtype=np.float32).ravel()
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return -0.5, 0.5
    low, median, high = (float(value) for value in np.percentile(sample, (16, 50, 84)))
    spread = max(high - median, median - low)
    black = max(float(sample.min()), median - deviations * spread)
    white = min(float(sample.max()), median + deviations * spread)
    return (black, white) if white > black else (median - 0.5, median + 0.5)


def grey(
    image: NDArray[np.generic],
    limits: tuple[float, float] | None = None,
    *,
    y_up: bool = True,
) -> Bytes:
    """Return an image (y, x) as bytes between its contrast limits, row 0 at the bottom or top."""
    black, white = contrast(image) if limits is None else limits
    scaled = (np.asarray(image, dtype=np.float32) - black) * (255.0 / (white - black))
    scaled = np.nan_to_num(scaled, nan=128.0, posinf=255.0, neginf=0.0)
    picture = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(picture[::-1] if y_up else picture)


def _data_address(picture: Bytes) -> str:
    from imagecodecs import jpeg_encode

    return "data:image/jpeg;base64," + base64.b64encode(jpeg_encode(picture, level=82)).decode()


def scale_bar_nm(width_nm: float) -> float:
    """Return a round length of about a fifth of a picture's width.

    >>> scale_bar_nm(512.0), scale_bar_nm(75.0)
    (100.0, 10.0)
    """
    rough = width_nm / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return max(factor * power for factor in (1.0, 2.0, 5.0) if factor * power <= rough * 1.001)


def circles(points_px: NDArray[np.float64], radius_px: float, colour: str) -> str:
    """Mark points (n, 2), as (x, y) in array pixels, for the `marks` of `figure`."""
    return "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius_px:.1f}" stroke="{colour}"/>'
        for x, y in points_px
        if math.isfinite(x) and math.isfinite(y)
    )


def polyline(points_px: NDArray[np.float64], colour: str, opacity: float = 1.0) -> str:
    """Join points (n, 2), as (x, y) in array pixels, for the `marks` of `figure`."""
    kept = points_px[np.isfinite(points_px).all(axis=-1)]
    if len(kept) < 2:
        return ""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in kept)
    return f'<polyline points="{places}" stroke="{colour}" opacity="{opacity}"/>'


def figure(
    image: NDArray[np.generic],
    *,
    caption: str,
    width: int,
    pixel_size_nm: float | None = None,
    marks: str = "",
    limits: tuple[float, float] | None = None,
    link: str = "",
    largest: int | None = None,
    y_up: bool = True,
) -> str:
    """Return an image (y, x) as a self-contained figure with a scale bar and marks.

    Parameters
    ----------
    image : (y, x) array
        Any real type.
    caption : str
        Plain text below it.
    width : int
        Width on the page, screen pixels.
    pixel_size_nm : float, optional
        Gives a scale bar.
    marks : str
        SVG shapes in array pixels (see `circles`, `polyline`).
    limits : (black, white), optional
        Contrast; found from the image if left out.
    link : str
        Address that the figure leads to.
    largest : int, optional
        Longest side of the stored picture, pixels; twice the width on the page if left out.
    y_up : bool
        Whether row 0 is shown at the bottom, else at the top.
    """
    rows, columns = image.shape
    small, _ = shrink(image, largest or 2 * width)
    address = _data_address(grey(small, limits, y_up=y_up))
    height = width * rows / columns
    pen = columns / width
    parts = [
        f'<svg viewBox="0 0 {columns} {rows}" width="{width}" '
        f'height="{height:.0f}" role="img"><title>{escape(caption)}</title>'
        f'<image href="{address}" width="{columns}" height="{rows}" '
        'preserveAspectRatio="none"/>'
    ]
    if marks:
        # Array pixels to picture: a pixel's centre is half a pixel inside.
        turned = f"translate(0.5 {rows - 0.5}) scale(1 -1)" if y_up else "translate(0.5 0.5)"
        parts.append(
            f'<g transform="{turned}" fill="none" stroke-width="{1.3 * pen:.2f}">{marks}</g>'
        )
    if pixel_size_nm and columns * pixel_size_nm > 0:
        parts.append(_scale_bar(columns, rows, pixel_size_nm, pen))
    parts.append("</svg>")
    picture = "".join(parts)
    if link:
        picture = f'<a href="{escape(link, quote=True)}">{picture}</a>'
    return f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>"


def _scale_bar(columns: int, rows: int, pixel_size_nm: float, pen: float) -> str:
    length_nm = scale_bar_nm(columns * pixel_size_nm)
    length = length_nm / pixel_size_nm
    label = f"{length_nm:g} nm" if length_nm < 1000 else f"{length_nm / 1000:g} µm"
    x, y = 10 * pen, rows - 10 * pen
    return (
        f'<g><rect x="{x - 4 * pen:.1f}" y="{y - 22 * pen:.1f}" '
        f'width="{max(length, 46 * pen) + 8 * pen:.1f}" height="{27 * pen:.1f}" fill="#fff" '
        f'opacity="0.8"/><rect x="{x:.1f}" y="{y - 4 * pen:.1f}" width="{length:.1f}" '
        f'height="{4 * pen:.1f}"/><text x="{x:.1f}" y="{y - 8 * pen:.1f}" '
        f'style="font-size:{12 * pen:.1f}px">{label}</text></g>'
    )


def row(figures: Sequence[str]) -> str:
    """Put figures beside each other; they wrap on a narrow screen."""
    shown = [one for one in figures if one]
    return f'<div class="row">{"".join(shown)}</div>' if shown else ""
