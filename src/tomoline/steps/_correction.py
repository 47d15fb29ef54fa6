"""From a frame as stored to transmission: flats chosen, darks off, bad pixels and zingers gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.files.open_frames import open_frames
from tomoline.steps._flat_cache import FlatCache
from tomoline.steps._flat_fields import FlatFields, Real
from tomoline.steps.scan_layout import ScanLayout

Stored = NDArray[Any]

LOWEST_TRANSMISSION = 1e-3
"""What a pixel that is not brighter than dark is taken for, so that its logarithm exists."""

_LEAST_BEAM = 0.02  # part of the level below which a flat shows no beam
_FEW = 7  # every so many rows and columns tell whether a frame is usable
_BLANK_PART, _BRIGHT_PART = 0.01, 4.0
_MANY = 0.05  # part of the pixels
KEEP_BYTES = 256 << 20


@dataclass(frozen=True)
class FlatChoice:
    """What a frame is divided by.

    Attributes
    ----------
    indices : tuple of int
        Flats that are averaged, in rising order; empty where all, or none, are used.
    scores : (flats,) float32
        How well each flat matches; -1 for flats that are left out, 0 where nothing was matched.
    weights : (n,) float32
        Of the flats of `indices`, or of the principal components; sum 1 for flats.
    """

    indices: tuple[int, ...]
    scores: Real
    weights: Real = field(default_factory=lambda: np.empty(0, np.float32))


class FrameCorrector:
    """Chooses flats for the frames of one distance and divides by them, from any thread.

    Parameters
    ----------
    layout : ScanLayout
    fields : FlatFields
    distance : int
    keep_bytes : int
        Memory for flats that were used last; at least as many as are averaged are kept.
    """

    def __init__(
        self, layout: ScanLayout, fields: FlatFields, distance: int, keep_bytes: int = KEEP_BYTES
    ) -> None:
        from tomoline.kernels.flat_fields import FlatRepairs
        from tomoline.kernels.flat_match import DescriptorForm, FlatBasis
        from tomoline.kernels.pca_flats import pack

        self.settings = settings = fields.settings
        images = fields.images
        self._shape = (layout.height_px, layout.width_px)
        self._dark = images.get("dark")
        self._shade = np.zeros((1, 1), np.float32) if self._dark is None else self._dark
        self._bad = (images["bad_places"], images["bad_sources"], settings.reach_rows)
        location = layout.flats[distance] if distance < len(layout.flats) else None
        self._flat_count = location.count if location is not None else 0
        self._basis: FlatBasis | None = None
        self._cache: FlatCache | None = None
        self._means = images.get("means", np.empty((0, 1, 1), np.float32))
        self._components = images.get("components", np.empty((0, *self._shape), np.int16))
        self._units = images.get("component_units", np.empty(0))
        if settings.method in ("best", "fitted", "pca"):
            form = DescriptorForm(
                settings.binning, settings.half_width, images["form_dark"], images["form_weight"]
            )
            used = np.zeros(self._flat_count, bool)
            used[list(settings.used)] = True
            self._basis = FlatBasis(
                form, settings.limit, images["pattern"], images["parts"], images["part_scales"],
                images["coefficients"], images["squares"], images["with_pattern"], used,
            )  # fmt: skip
        if settings.method in ("best", "fitted") and location is not None:
            repairs = FlatRepairs(
                images["repair_flats"],
                images["repair_places"],
                images["repair_values"],
                images["repair_around"],
            )
            needed = settings.average * (2 if settings.method == "fitted" else 1)
            self._cache = FlatCache(open_frames(location), repairs, keep_bytes, needed)
        if settings.method == "none":
            self._means = np.full((1, *self._shape), settings.level_counts, np.float32)
        if settings.method == "interpolated" and len(self._means) > 1:
            safe = np.maximum(self._means[:-1], np.float32(1e-6) * settings.level_counts)
            self._components, self._units = pack(self._means[1:] / safe - 1)

    @classmethod
    def open(
        cls, layout: ScanLayout, flat_fields: Path, distance: int, keep_bytes: int = KEEP_BYTES
    ) -> FrameCorrector:
        """Return the corrector of a distance, from the artifact ``flat_fields``."""
        return cls(layout, FlatFields.read(flat_fields, distance), distance, keep_bytes)

    @property
    def memory_bytes(self) -> int:
        """Most memory that it holds, the kept flats included; a call takes little more."""
        held = [self._shade, *self._bad[:2], self._means, self._components]
        if self._basis is not None:
            held += [self._basis.pattern, self._basis.parts]
        flats = self._cache.memory_bytes if self._cache is not None else 0
        return flats + sum(array.nbytes for array in held)

    def choose(self, raw: Stored) -> FlatChoice:
        """Return the flats for a frame (rows, columns) as stored."""
        return self.choose_many([raw])[0]

    def choose_many(self, raws: Sequence[Stored]) -> list[FlatChoice]:
        """Return the flats for some frames, with one matrix product for all of them."""
        from tomoline.kernels.flat_match import best_flats

        basis, settings = self._basis, self.settings
        if basis is None or not raws:
            nothing = np.zeros(self._flat_count, np.float32)
            return [FlatChoice((), nothing) for _ in raws]
        described = [basis.describe(raw) for raw in raws]
        squares = np.array([one[1] for one in described])
        products = basis.project(np.stack([one[0] for one in described]))
        scores = basis.scores(products, squares, settings.match)
        choices = []
        for product, score in zip(products, scores, strict=True):
            if settings.method == "pca":
                weights = product[1 : 1 + len(self._units)].astype(np.float32)
                choices.append(FlatChoice((), score, weights))
            elif settings.method == "fitted":
                flats = best_flats(score, 2 * settings.average)
                weights = basis.fit_weights(product, flats, max(settings.noise, 1e-4))
                choices.append(FlatChoice(flats, score, weights))
            else:
                flats = best_flats(score, settings.average)
                weights = np.full(len(flats), 1 / len(flats), np.float32)
                choices.append(FlatChoice(flats, score, weights))
        return choices

    def correct(self, raw: Stored, choice: FlatChoice, time: float | None, out: Real) -> int:
        """Write a frame's transmission: 1 in air, finite, positive, free of zingers.

        Parameters
        ----------
        raw : (rows, columns) array
            As stored.
        choice : FlatChoice
            From `choose`, or any flats.
        time : float or None
            When it was recorded, for flats that are interpolated.
        out : (rows, columns) float32
            May be a part of a larger array; pixels of a row must be contiguous.

        Returns
        -------
        int
            Pixels that were replaced as zingers.
        """
        from tomoline.kernels import _flats_numba
        from tomoline.kernels.flat_fields import flattened

        if raw.dtype.kind == "f" and not np.isfinite(raw).all():
            raw = np.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0)
        source, stride = flattened(raw)
        target, out_stride = flattened(out, writable=True)
        has_dark = self._dark is not None
        flats: tuple[Stored, ...] = ()
        if self._cache is not None:
            flats = tuple(self._cache.get(index) for index in choice.indices)
        mean, parts, weights = self._mean_at(time, choice)
        limits = np.array(
            [
                self._scale(raw, flats, choice.weights, mean, parts, weights),
                _LEAST_BEAM * self.settings.level_counts,
                LOWEST_TRANSMISSION,
                self.settings.zinger_excess,
            ],
            np.float32,
        )
        columns = self._shape[1]
        if self._cache is not None:
            strides = np.full(len(flats), columns, np.int64)
            return int(
                _flats_numba.correct_with_flats(
                    source, stride, flats, strides, choice.weights, self._shade, has_dark, limits,
                    *self._bad, target, out_stride, columns,
                )
            )  # fmt: skip
        return int(
            _flats_numba.correct_with_mean(
                source, stride, mean, parts, weights, self._shade, has_dark, limits,
                *self._bad, target, out_stride,
            )
        )  # fmt: skip

    def _mean_at(
        self, time: float | None, choice: FlatChoice
    ) -> tuple[Real, NDArray[np.int16], Real]:
        """Return the flat as a mean, and parts with their weights (relative to the mean)."""
        none = np.empty((0, *self._shape), np.int16)
        if self.settings.method == "pca":
            return self._means[0], self._components, (choice.weights * self._units).astype("f4")
        if self.settings.method != "interpolated" or len(self._means) < 2:
            mean = self._means[0] if len(self._means) else np.empty((0, 0), np.float32)
            return mean, none, np.empty(0, np.float32)
        times = np.asarray(self.settings.group_times)
        now = times[0] if time is None or not np.isfinite(time) else time
        first = int(np.clip(np.searchsorted(times, now, side="right") - 1, 0, len(times) - 2))
        span = times[first + 1] - times[first]
        part = float(np.clip((now - times[first]) / span, 0, 1)) if span > 0 else 0.0
        return (
            self._means[first],
            self._components[first : first + 1],
            np.array([part * self._units[first]], np.float32),
        )

    def _scale(
        self,
        raw: Stored,
        flats: tuple[Stored, ...],
        flat_weights: Real,
        mean: Real,
        parts: NDArray[np.int16],
        weights: Real,
    ) -> float:
        """Return what brings the air columns to 1; 1 where levels are left as recorded."""
        if self.settings.air_columns is None:
            return 1.0
        left, right = self.settings.air_columns
        columns = self._shape[1]
        air = np.r_[0:left, columns - right : columns]
        rows = slice(0, None, 2)
        dark = self._dark[rows][:, air] if self._dark is not None else np.float32(0)
        if flats:
            below: Any = sum(
                weight * flat.reshape(self._shape)[rows][:, air].astype(np.float32)
                for weight, flat in zip(flat_weights, flats, strict=True)
            )
            below = below - dark
        else:
            change = sum(
                (w * part[rows][:, air] for w, part in zip(weights, parts, strict=True)),
                np.float32(1),
            )
            below = mean[rows][:, air] * change
        above = raw[rows][:, air].astype(np.float32) - dark
        lit = below > _LEAST_BEAM * self.settings.level_counts
        if not lit.any():
            return 1.0
        level = float(np.median(above[lit] / below[lit]))
        return 1.0 / level if level > LOWEST_TRANSMISSION else 1.0

    def fault(self, raw: Stored) -> str | None:
        """Say why a frame cannot be used, or return None; looks at one pixel of 49.

        A frame that is blank, not brighter than dark, cut off, saturated, or not of numbers.
        """
        few = raw[::_FEW, ::_FEW]
        if few.dtype.kind == "f":
            wrong = np.count_nonzero(~np.isfinite(few)) / few.size
            if wrong > _MANY:
                return f"{100 * wrong:.0f} % of its pixels are not numbers"
            few = np.nan_to_num(few)
        low, high = few.min(), few.max()
        if low == high and _never_written(low):
            return f"it is blank, all of its pixels are {float(low):g}"
        settings = self.settings
        if settings.saturation_counts is not None:
            full = np.count_nonzero(few >= settings.saturation_counts) / few.size
            if full > _MANY:
                return f"{100 * full:.0f} % of its pixels are saturated"
        level = self.level(raw)
        if level < _BLANK_PART:
            return f"it shows no beam, {100 * level:.1f} % of the flats' level"
        if level > _BRIGHT_PART:
            return f"it is {level:.1f} times as bright as the flats"
        rows = raw[:: 4 * _FEW]
        ends = zip(rows.min(axis=1), rows.max(axis=1), strict=True)
        # Rows that are all alike may be a beam without noise.
        blank = sum(low == high and _never_written(low) for low, high in ends) / len(rows)
        if blank > _MANY:
            return f"{100 * blank:.0f} % of its rows are blank"
        return None

    def level(self, raw: Stored) -> float:
        """Return how bright a frame's bright parts are, relative to the flats' level."""
        few = raw[:: 2 * _FEW, ::_FEW].astype(np.float32)
        if self._dark is not None:
            few -= self._dark[:: 2 * _FEW, ::_FEW]
        values = few.reshape(-1)
        place = int(0.9 * (values.size - 1))
        return float(np.partition(values, place)[place]) / self.settings.level_counts


def _never_written(value: Any) -> bool:
    """Whether a number is what detectors and disks leave where nothing was recorded."""
    return bool(value == 0 or (value.dtype.kind == "u" and value == np.iinfo(value.dtype).max))


def tiff_tags(choice: FlatChoice) -> list[tuple[int, int, int, str, bool]]:
    """Return HiTT's two TIFF tags of a corrected frame, as tifffile's ``extratags``.

    1200 holds the scores of all flats, 1201 the places of those that were chosen, from 0.

    >>> tiff_tags(FlatChoice((0, 2), np.array([0.5, 0.25, 1], np.float32)))[1]
    (1201, 2, 0, '0,2', True)
    """
    scores = ",".join(f"{score:.6f}" for score in choice.scores)
    chosen = ",".join(str(index) for index in choice.indices)
    return [(1200, 2, 0, scores, True), (1201, 2, 0, chosen, True)]
