"""Which flats match a frame: descriptors, and one matrix product for many frames and all flats.

A descriptor is the frame in blocks of a few pixels, divided by its surroundings less 1: what is
left are the stripes of the beam, free of its current and of most of the specimen, which is smooth
in comparison. What the flats have in common is kept apart as `pattern`; what is left of a frame is
held within the range that the flats know, so that a specimen's edges count for little.

Flats differ from each other in far fewer ways than there are flats, so they are described by the
principal components of their descriptors; the product is taken with these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import _flats_numba
from tomoline.kernels.flat_fields import flattened

Real = NDArray[np.float32]
Floats = NDArray[np.float64]
Measure = Literal["correlation", "ssim"]

# Half width of the box, in standard deviations of the Gaussian that it stands for.
_BOX_OF_SIGMA = 1.7
# Part of the flats' contrast that lies within the limit of a descriptor.
_WITHIN_LIMIT = 0.999
# Principal components whose variance is this many times that of the least are more than noise.
_ABOVE_NOISE = 1.5


@dataclass(frozen=True)
class DescriptorForm:
    """How frames are described.

    Attributes
    ----------
    binning : int
        Pixels along each side of a block.
    half_width : int
        Half width of the box of the surroundings, in blocks.
    dark : (rows, columns) float32
        Dark of the blocks, counts.
    weight : (rows, columns) float32
        1 for blocks that count, 0 for others.
    """

    binning: int
    half_width: int
    dark: Real
    weight: Real

    @classmethod
    def of(
        cls,
        shape: tuple[int, int],
        binning: int,
        high_pass_px: float,
        region: str,
        dark: Real | None,
    ) -> DescriptorForm:
        """Return the form for frames of `shape`.

        Parameters
        ----------
        shape : (int, int)
            (rows, columns) of a frame.
        binning : int
            Blocks' side; less where a frame is too small for it.
        high_pass_px : float
            Standard deviation of the Gaussian of the surroundings, pixels of the frame.
        region : str
            ``whole``, or ``sides`` for a quarter of the width on each side.
        dark : (rows, columns) float32, optional
            Mean dark of the frames.
        """
        binning = max(1, min(binning, min(shape) // 4))
        blocks = (shape[0] // binning, shape[1] // binning)
        weight = np.ones(blocks, np.float32)
        if region == "sides":
            quarter = max(1, blocks[1] // 4)
            weight[:, quarter : blocks[1] - quarter] = 0
        half_width = max(1, round(_BOX_OF_SIGMA * high_pass_px / binning))
        offset = np.zeros(blocks, np.float32) if dark is None else bin_frame(dark, binning)
        return cls(binning, half_width, offset, weight)

    @property
    def size(self) -> int:
        """Numbers in a descriptor."""
        return self.dark.size


def bin_frame(frame: NDArray[Any], binning: int) -> Real:
    """Average blocks of binning x binning pixels; rows and columns left over are dropped.

    Parameters
    ----------
    frame : (rows, columns) array of any type
    binning : int
    """
    rows, columns = frame.shape
    out = np.empty((rows // binning, columns // binning), np.float32)
    flat, stride = flattened(frame)
    _flats_numba.bin_frame(flat, stride, columns, binning, out)
    return out


def contrast(binned: Real, form: DescriptorForm) -> Real:
    """Return the plain descriptor of a binned frame, (blocks,) float32."""
    out = np.empty_like(binned)
    nothing = np.zeros_like(binned)
    _flats_numba.local_contrast(
        binned, form.dark, form.half_width, nothing, np.float32(np.inf), form.weight, out
    )
    return out.reshape(-1)


def products_of(descriptors: Real, others: Real | NDArray[np.int16]) -> Floats:
    """Return the products of descriptors (m, n) with others (k, n), (m, k) float64."""
    out = np.empty((len(descriptors), len(others)))
    _flats_numba.project(descriptors, others, out)
    return out


@dataclass(frozen=True)
class FlatBasis:
    """The flats of one distance, described by few components.

    Attributes
    ----------
    form : DescriptorForm
    limit : float
        Largest difference from `pattern` that counts.
    pattern : (rows, columns) float32
        Mean descriptor of the flats.
    parts : (components, blocks) int16
        Orthonormal components of the flats' differences from it, in units of `part_scales`: half
        the memory to go through for each frame.
    part_scales : (components,) float64
    coefficients : (flats, components) float64
        Of each flat; zeros for flats that are left out.
    squares, with_pattern : (flats,) float64
        Square of each flat's difference, and its product with `pattern`.
    used : (flats,) bool
        Flats that take part.
    """

    form: DescriptorForm
    limit: float
    pattern: Real
    parts: NDArray[np.int16]
    part_scales: Floats
    coefficients: Floats
    squares: Floats
    with_pattern: Floats
    used: NDArray[np.bool_]

    @classmethod
    def build(
        cls,
        form: DescriptorForm,
        descriptors: Real,
        used: NDArray[np.bool_],
        *,
        components: int = 24,
    ) -> FlatBasis:
        """Describe flats.

        Parameters
        ----------
        form : DescriptorForm
        descriptors : (flats, blocks) float32
            Plain descriptors, from `contrast`.
        used : (flats,) bool
            Flats that take part.
        components : int
            Most components to keep; fewer where the rest is noise.
        """
        kept = np.flatnonzero(used)
        pattern = np.zeros(form.size, np.float32)
        for flat in kept:
            pattern += descriptors[flat]
        pattern /= np.float32(max(len(kept), 1))
        spread = descriptors[kept[:32]] - pattern if len(kept) else descriptors[:0]
        limit = float(np.quantile(np.abs(spread[:, ::7]), _WITHIN_LIMIT)) if spread.size else 0.0
        limit = max(limit, 1e-6)
        differences = descriptors[kept]
        differences -= pattern
        np.clip(differences, -limit, limit, out=differences)
        squares = np.zeros(len(used))
        with_pattern = np.zeros(len(used))
        gram = np.zeros((len(kept), len(kept)))
        if len(kept):
            gram = products_of(differences, differences)
            with_pattern[kept] = products_of(differences, pattern[None])[:, 0]
            squares[kept] = np.diag(gram)
        values, vectors = np.linalg.eigh(0.5 * (gram + gram.T))
        values, vectors = values[::-1], vectors[:, ::-1]
        number = _significant(values, components)
        scales = np.sqrt(np.maximum(values[:number], 1e-30))
        combined = np.empty((number, form.size), np.float32)
        # Not numpy's matrix product: its library would start threads of its own.
        factors = np.ascontiguousarray((vectors[:, :number] / scales).T, np.float32)
        _flats_numba.combine(differences, factors, combined)
        parts, part_scales = _as_integers(combined)
        coefficients = np.zeros((len(used), number))
        coefficients[kept] = vectors[:, :number] * scales
        shape = form.dark.shape
        return cls(
            form, limit, pattern.reshape(shape), parts, part_scales, coefficients, squares,
            with_pattern, used,
        )  # fmt: skip

    def describe(self, frame: NDArray[Any]) -> tuple[Real, float]:
        """Return a frame's difference from the pattern, (blocks,) float32, and its square."""
        binned = bin_frame(frame, self.form.binning)
        out = np.empty_like(binned)
        squares = _flats_numba.local_contrast(
            binned, self.form.dark, self.form.half_width, self.pattern, np.float32(self.limit),
            self.form.weight, out,
        )  # fmt: skip
        return out.reshape(-1), float(squares)

    def project(self, descriptors: Real) -> Floats:
        """Return the products of descriptors (frames, blocks) with pattern and parts.

        One matrix product; returns (frames, 1 + components) float64, the pattern's first.
        """
        first = products_of(descriptors, self.pattern.reshape(1, -1))
        return np.hstack([first, products_of(descriptors, self.parts) * self.part_scales])

    def scores(
        self, products: Floats, squares: Floats, measure: Measure = "correlation"
    ) -> NDArray[np.float32]:
        """Return how well each flat matches each frame, (frames, flats) float32; 1 is perfect.

        Parameters
        ----------
        products : (frames, 1 + components) float64
            From `project`.
        squares : (frames,) float64
            Squares of the frames' descriptors, from `describe`.
        measure : str
            ``correlation`` is Pearson's coefficient; ``ssim`` the structural similarity of the
            whole (Wang et al., IEEE Trans. Image Process. 13 (2004) 600) without its constants,
            which also asks for the same contrast. Both of the contrasts, whose mean is zero.
            Flats that are left out have -1.
        """
        pattern = float(np.vdot(self.pattern, self.pattern))
        across = (
            pattern + products[:, :1] + self.with_pattern + products[:, 1:] @ self.coefficients.T
        )
        frame = (pattern + 2 * products[:, 0] + squares)[:, None]
        flat = pattern + 2 * self.with_pattern + self.squares
        below = np.sqrt(frame * flat) if measure == "correlation" else 0.5 * (frame + flat)
        # Without any contrast, as in a beam without noise, one flat is as good as another.
        result = np.where(below > 0, across / np.maximum(below, 1e-30), 0.0)
        return np.where(self.used, result, -1.0).astype(np.float32)

    def fit_weights(
        self, products: Floats, flats: tuple[int, ...], noise: float
    ) -> NDArray[np.float32]:
        """Return weights of `flats`, of sum 1, whose mean comes closest to a frame.

        Minimises the square of the difference of the descriptors plus what the flats' noise adds
        to the mean: a stripe between two places is told from flats with it on either side.

        Parameters
        ----------
        products : (1 + components,) float64
            Of one frame, from `project`.
        flats : tuple of int
            Flats to weigh, for instance the best ones.
        noise : float
            Standard deviation of a pixel's noise in one flat, relative to its value.
        """
        parts = self.coefficients[list(flats)]
        matrix = parts @ parts.T + (self.form.size * noise**2 + 1e-9) * np.eye(len(flats))
        nearest, even = np.linalg.solve(
            matrix, np.stack([parts @ products[1:], np.ones(len(flats))], axis=1)
        ).T
        weights: NDArray[np.float32] = nearest + even * (1 - nearest.sum()) / even.sum()
        return weights.astype(np.float32)


def _as_integers(rows: Real) -> tuple[NDArray[np.int16], Floats]:
    """Return rows as 16-bit integers, and what to multiply each of them by."""
    scales = np.abs(rows).max(axis=1, initial=1e-30).astype(np.float64) / np.iinfo(np.int16).max
    return np.rint(rows / scales[:, None].astype(np.float32)).astype(np.int16), scales


def _significant(variances: Floats, most: int) -> int:
    """Return how many of the falling `variances` stand out of the noise, `most` at most."""
    if not len(variances) or not variances[0] > 0:
        return 0
    # The last one is zero by construction, since the mean was taken off.
    noise = float(np.mean(variances[3 * len(variances) // 4 : -1])) if len(variances) > 8 else 0.0
    above = variances > max(_ABOVE_NOISE * noise, 1e-9 * variances[0])
    return min(int(np.count_nonzero(above[:-1])), most)


def best_flats(scores: NDArray[np.float32], count: int) -> tuple[int, ...]:
    """Return the `count` flats of highest score, in rising order; ties go to the first.

    >>> best_flats(np.array([0.1, 0.9, 0.5, 0.9], np.float32), 2)
    (1, 3)
    """
    order = np.argsort(-scores, kind="stable")[:count]
    return tuple(sorted(int(flat) for flat in order if scores[flat] > -1))
