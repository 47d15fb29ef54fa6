"""Making slices of a scan: from the store of projections to densities, any rows, any thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.files.sinograms import Sinograms
from tomoline.steps._axis import RotationAxis
from tomoline.steps._base import StepContext
from tomoline.steps._reconstruction import Reconstruction
from tomoline.steps._retrieval import Retrieval
from tomoline.steps._stitching import Stitching
from tomoline.steps.scan_layout import ScanLayout

Floats = NDArray[np.float32]
_Clean = Callable[[Floats], Floats]

# Sinograms that the removal of rings holds besides its own and its result.
_COPIES = {"none": 0, "fast": 2, "sorting": 7, "vo": 9, "wavelet": 7}


@dataclass(frozen=True)
class Views:
    """The projections that slices are made of, from whatever the steps before left.

    Attributes
    ----------
    sinograms : Sinograms
        The store of all projections.
    angles_rad : (angle,) float64
        Of the sinograms that `read` gives, excluded ones included.
    taking_part : (angle,) bool
        Which of them count.
    columns : int
        Of those sinograms.
    axis : RotationAxis
    stitching : Stitching or None
    """

    sinograms: Sinograms
    angles_rad: NDArray[np.float64]
    taking_part: NDArray[np.bool_]
    columns: int
    axis: RotationAxis
    stitching: Stitching | None

    @classmethod
    def open(cls, context: StepContext) -> Views:
        """Gather the artifacts of a scan."""
        layout = ScanLayout.read(context.input("scan_layout"))
        retrieval = Retrieval.read(context.input("retrieval"))
        axis = RotationAxis.read(context.input("rotation_axis"))
        sinograms = context.sinograms("projections")
        if context.has("stitching"):
            stitching = Stitching.read(context.input("stitching"))
            angles = np.radians(np.array(stitching.angles_deg, np.float64))
            everything = np.ones(len(angles), bool)
            return cls(sinograms, angles, everything, stitching.width_px, axis, stitching)
        angles = np.radians(np.array(layout.angles_deg, np.float64))
        part = retrieval.taking_part(layout)
        return cls(sinograms, angles, part, sinograms.shape[2], axis, None)

    @property
    def rows(self) -> int:
        """Number of rows, which is that of slices."""
        return self.sinograms.shape[0]

    def axis_at(self, row: int) -> float:
        """Return the column of the axis in the sinogram of a row."""
        if self.stitching is not None:
            return self.stitching.axis_at(row)
        return self.axis.at(row)

    def read(self, first: int, last: int) -> Floats:
        """Return the sinograms (row, angle, column) of the rows first <= row < last."""
        if self.stitching is not None:
            return self.stitching.apply((first, last), self.sinograms)
        return self.sinograms.read_rows(first, last)

    @property
    def bytes_to_read(self) -> int:
        """Bound on what `read` holds besides its result, for one group of rows."""
        if self.stitching is None:
            return 0
        _, angles, columns = self.sinograms.shape
        return int(4 * angles * columns * 2 * (8 + 2 * self.stitching.halo_rows))


class SliceMaker:
    """Makes slices as the artifact ``reconstruction`` says.

    Parameters
    ----------
    views : Views
    settings : Reconstruction
    """

    def __init__(self, views: Views, settings: Reconstruction) -> None:
        from tomoline.kernels.gridding import TOGETHER, GriddingPlan

        self._views = views
        self._settings = settings
        self._clean = _cleaner(settings)
        self._plan = GriddingPlan(
            views.angles_rad,
            views.columns,
            settings.axis_range_px,
            size=settings.size_px,
            filter_name=settings.filter_name,  # type: ignore[arg-type]
            cutoff=settings.cutoff_per_px,
            padding=settings.padding,
            mask_radius_px=settings.mask_radius_px,
            taking_part=views.taking_part,
            gridrec=settings.compatible == "gridrec",
            scale=settings.scale,
        )
        self.group = TOGETHER
        """Slices to make in one call; fewer take nearly as long."""

    @classmethod
    def open(cls, context: StepContext) -> SliceMaker:
        """Return what makes the slices of a scan whose step ``slices`` has run."""
        settings = Reconstruction.read(context.input("reconstruction"))
        return cls(Views.open(context), settings)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, size, size)."""
        return self._settings.slices, self._settings.size_px, self._settings.size_px

    @property
    def unit(self) -> str:
        """Unit of a slice, as it is written."""
        return self._settings.unit_text

    @property
    def quantity(self) -> str:
        """What a slice shows, in words."""
        return self._settings.quantity

    @property
    def bytes_per_group(self) -> int:
        """Bound on what one call holds that makes `group` slices, its result included."""
        one = 4 * len(self._views.angles_rad) * self._views.columns
        result = 4 * self.group * self._settings.size_px**2
        sinograms = one * (2 * self.group + _COPIES[self._settings.rings])
        return result + sinograms + self._plan.bytes_of_work + self._views.bytes_to_read

    def make(self, first: int, last: int) -> Floats:
        """Make the slices first <= slice < last; from any thread.

        Returns
        -------
        (slice, y, x) float32
        """
        return self.make_rows(range(first, last))

    def make_rows(self, rows: Sequence[int]) -> Floats:
        """Make the slices of any rows, neighbours or not; from any thread."""
        size = self._settings.size_px
        out = np.empty((len(rows), size, size), np.float32)
        for begin in range(0, len(rows), self.group):
            part = rows[begin : begin + self.group]
            axes = [self._views.axis_at(row) for row in part]
            self._plan.reconstruct(self._sinograms(part), axes, out[begin : begin + len(part)])
        return out

    def _sinograms(self, rows: Sequence[int]) -> Floats:
        if rows[-1] - rows[0] + 1 == len(rows):
            block = self._views.read(rows[0], rows[-1] + 1)
        else:
            block = np.concatenate([self._views.read(row, row + 1) for row in rows])
        if self._clean is None:
            return block
        part = self._views.taking_part
        # The store's own memory must stay as it is.
        cleaned = np.empty(block.shape, np.float32)
        for sinogram, target in zip(block, cleaned, strict=True):
            if part.all():
                target[:] = self._clean(sinogram)
            else:
                target[part] = self._clean(sinogram[part])
        return cleaned


def _cleaner(settings: Reconstruction) -> _Clean | None:
    """Return what removes rings from a sinogram (angle, column)."""
    width = settings.rings_width_px
    if settings.rings == "fast":
        from tomoline.kernels import rings_fast

        return lambda sinogram: rings_fast.remove_rings(sinogram, width)
    if settings.rings == "sorting":
        from tomoline.kernels import rings_sorting

        return lambda sinogram: rings_sorting.remove_rings(sinogram, width)
    if settings.rings == "vo":
        from tomoline.kernels import rings_vo

        return lambda sinogram: rings_vo.remove_rings(sinogram, width)
    if settings.rings == "wavelet":
        from tomoline.kernels import rings_wavelet

        levels = max(1, (width - 1).bit_length() - 1)
        return lambda sinogram: rings_wavelet.remove_rings(sinogram, levels)
    return None
