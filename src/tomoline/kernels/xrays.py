"""X-ray hits, hot and dead pixels: found in one view and replaced from their surroundings.

After ccderaser's published criteria (its man page): a pixel far from the mean of its area is a
peak if it also stands out of a ring round it; single pixels that differ from their eight
neighbours count too. Found patches are filled by a quadratic surface through their border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import _xray_fill, _xrays

Image = NDArray[np.float32]
_LISTED = 200


@dataclass(frozen=True)
class XrayOptions:
    """Criteria in standard deviations, sizes in pixels; the names are ccderaser's."""

    peak_criterion_sd: float = 10.0
    """How far a peak must stand out of the ring round it."""
    diff_criterion_sd: float = 8.0
    """How far a pixel must differ from its eight neighbours."""
    grow_criterion_sd: float = 4.0
    """How far pixels beside a peak must stand out to be part of it."""
    scan_criterion_sd: float = 3.0
    """How far from the mean of its area a pixel must be to be looked at."""
    maximum_radius_px: float = 4.2
    """Largest radius of a bright peak; the ring begins there."""
    dark_radius_px: float = 2.1
    """The same for dark peaks, small so that gold beads are none."""
    giant_criterion_sd: float = 12.0
    """How far an extra-large peak must stand out of its ring."""
    big_diff_criterion_sd: float = 19.0
    """How far some of its pixels must differ from their neighbours."""
    extra_large_radius_px: float = 8.0
    annulus_px: float = 2.0
    """Width of the ring."""
    area_px: int = 100
    """Side of the areas whose mean and deviation are measured."""
    diff_pixels: int = 2
    """Largest patch that a difference alone makes."""


@dataclass(frozen=True)
class XrayReport:
    """What was replaced in a view.

    Attributes
    ----------
    patches : int
        Number of patches replaced.
    pixels : int
        Number of pixels replaced.
    not_finite : int
        How many of the pixels were nan or infinite.
    positions_px : tuple of (int, int)
        (x, y) pixel of the peak of each, the first 200.
    """

    patches: int
    pixels: int
    not_finite: int
    positions_px: tuple[tuple[int, int], ...]


def radius_for_gold(gold_diameter_px: float | None) -> float:
    """Return the largest radius of a peak that cannot be a gold bead; Etomo's rule.

    >>> radius_for_gold(9.0), radius_for_gold(None)
    (3.0, 4.2)
    """
    if not gold_diameter_px:
        return 4.2
    radius = (gold_diameter_px + 3) / 2
    for limit, result in ((3.0, 1.1), (5.0, 2.1), (7.0, 3.0)):
        if radius < limit:
            return result
    return 4.2


def dark_radius_for_gold(gold_diameter_px: float | None) -> float:
    """Return the largest radius of a dark peak that cannot be a small gold bead.

    >>> dark_radius_for_gold(3.5), dark_radius_for_gold(9.0)
    (1.0, 2.1)
    """
    if not gold_diameter_px:
        return 2.1
    return min(2.1, max(1.0, gold_diameter_px / 4))


def erase_xrays(image: Image, options: XrayOptions | None = None) -> tuple[Image, XrayReport]:
    """Replace X-ray hits, hot and dead pixels, and pixels that are no numbers.

    Parameters
    ----------
    image : (y, x) float32
    options : XrayOptions, optional

    Returns
    -------
    (y, x) float32
        A copy; pixels outside the patches are the same bits.
    XrayReport

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> image = rng.normal(100, 5, (64, 64)).astype(np.float32)
    >>> image[20, 30] = 900
    >>> fixed, report = erase_xrays(image)
    >>> report.positions_px, bool(abs(fixed[20, 30] - 100) < 20)
    (((30, 20),), True)
    """
    options = options or XrayOptions()
    fixed = image.copy()
    bad = replace_not_finite(fixed)
    means, deviations, differences = _xrays.area_statistics(fixed, options.area_px)
    flags = np.zeros(fixed.shape, np.uint8)
    positions = np.zeros((_LISTED, 2), np.int64)
    patches, pixels = _xrays.erase(
        fixed,
        flags,
        means,
        deviations,
        differences,
        _xrays.Criteria(
            options.peak_criterion_sd,
            options.diff_criterion_sd,
            options.grow_criterion_sd,
            options.scan_criterion_sd,
            options.giant_criterion_sd,
            options.big_diff_criterion_sd,
        ),
        _xrays.Sizes(
            options.maximum_radius_px,
            min(options.dark_radius_px, options.maximum_radius_px),
            options.extra_large_radius_px,
            options.annulus_px,
            float(options.diff_pixels),
        ),
        positions,
    )
    listed = tuple((int(x), int(y)) for x, y in positions[: min(patches, _LISTED)])
    return fixed, XrayReport(patches, pixels + bad, bad, listed)


def replace_not_finite(image: Image, reach_px: int = 4) -> int:
    """Replace nan and infinite pixels in place by the mean of finite ones near by.

    Parameters
    ----------
    image : (y, x) float32
    reach_px : int
        Half the side of the square that is averaged; where it holds nothing finite, the mean of
        the image, and 0 where that is none either.

    Returns
    -------
    int
        How many were replaced.
    """
    # One sum tells whether there is anything to do: it is finite if all pixels are.
    if math.isfinite(float(image.sum(dtype=np.float64))):
        return 0
    wrong = ~np.isfinite(image)
    count = int(wrong.sum())
    if count == 0:
        return 0
    finite = image[~wrong]
    middle = np.float32(finite.mean(dtype=np.float64)) if finite.size else np.float32(0)
    _xray_fill.fill_not_finite(image, wrong, reach_px, middle)
    return count
