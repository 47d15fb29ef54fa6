"""The views of a data set as the bead kernels need them: read, reduced, in one frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.files import transforms
from tomoline.files.stack import Stack, open_stack
from tomoline.kernels._image import bin_mean, bin_offset
from tomoline.kernels.bead_model import (
    BeadProfile,
    ProfileSums,
    gather_profile,
    rescale,
    sphere_profile,
)
from tomoline.kernels.centre_beads import BeadFits
from tomoline.kernels.complete_beads import centre_view
from tomoline.kernels.find_beads import BeadFilter, Detections, find_beads
from tomoline.steps._base import StepContext
from tomoline.steps._fiducials import view_bytes
from tomoline.steps._views import check_count, read_clean
from tomoline.steps.acquisition import Acquisition

Floats = NDArray[np.float64]
Image = NDArray[np.float32]
Result = TypeVar("Result")

# Beads are looked for in images reduced so far that they are at least this wide.
_DETECTION_DIAMETER_PX = 4.5
_CLEAR_CORRELATION = 0.8


@dataclass(frozen=True)
class BeadViews:
    """Views of the fixed stack, whose beads are told in the frame of the prealigned stack.

    Positions are in raw pixels relative to the centre of the prealigned image. Beads are measured
    in the fixed stack, because the prealigned one is interpolated, often binned, and of bytes.

    Attributes
    ----------
    stack : Stack
    moves : (v, 2, 3) float64
        From raw to prealigned.
    views : Acquisition
    context : StepContext
    """

    stack: Stack
    moves: Floats
    views: Acquisition
    context: StepContext

    @classmethod
    def open(cls, context: StepContext) -> BeadViews:
        """Open the fixed stack with its coarse transforms."""
        stack = open_stack(context.input("fixed_stack"))
        moves = transforms.read(context.input("coarse_transforms"))
        check_count(stack, len(moves), "coarse transforms")
        views = Acquisition.read(context.input("views"))
        check_count(stack, views.count, "listed views")
        return cls(stack, moves, views, context)

    @property
    def tilt_rad(self) -> Floats:
        """Tilt angles (v,)."""
        return np.radians(self.views.tilt_deg)

    @property
    def by_tilt(self) -> list[int]:
        """Included views in order of tilt."""
        order = np.argsort(self.views.tilt_deg, kind="stable")
        return [int(v) for v in order if self.views.included[v]]

    @property
    def fields_px(self) -> Floats:
        """Lowest and highest x, lowest and highest y of each view, (v, 4)."""
        half = np.array([self.stack.shape[2] / 2, self.stack.shape[1] / 2])
        shift = self.moves[:, :, 2]
        low, high = shift - half, shift + half
        return np.stack([low[:, 0], high[:, 0], low[:, 1], high[:, 1]], axis=1)

    def run(
        self, function: Callable[[int], Result], views: Sequence[int], label: str
    ) -> list[Result]:
        """Run a function over views on the engine."""
        bound = view_bytes(*self.stack.shape[1:])
        return list(
            self.context.engine.map(function, list(views), bytes_per_chunk=bound, label=label)
        )

    def read(self, view: int) -> Image:
        """Return a view without pixels that are no numbers."""
        return read_clean(self.stack, view)[0]

    def to_prealigned(self, view: int, raw_px: Floats) -> Floats:
        """Move positions (n, 2) from a raw view to the prealigned frame."""
        return geometry.apply(self.moves[view], raw_px)

    def to_raw(self, view: int, prealigned_px: Floats) -> Floats:
        """Move positions (n, 2) from the prealigned frame to a raw view."""
        return geometry.apply(geometry.invert(self.moves[view]), prealigned_px)

    def detect(
        self, views: Sequence[int], sphere_diameter_px: float, *, light: bool
    ) -> tuple[dict[int, Detections], dict[int, ProfileSums]]:
        """Find candidate beads in views, and what the clear ones look like.

        Parameters
        ----------
        views : sequence of int
        sphere_diameter_px : float
            In raw pixels.
        light : bool

        Returns
        -------
        detections : dict of Detections
            In the prealigned frame, by view.
        profiles : dict of ProfileSums
            At full size, by view.
        """
        factor = max(1, int(sphere_diameter_px / _DETECTION_DIAMETER_PX))
        height, width = self.stack.shape[1:]
        full = sphere_profile(sphere_diameter_px)
        bead_filter = BeadFilter.make(
            rescale(full, factor) if factor > 1 else full,
            (height // factor, width // factor),
            light=light,
        )
        area = height * width / max(full.diameter_px, 4.0) ** 2
        most = int(np.clip(area / 100, 200, 4000))

        def one(view: int) -> tuple[Detections, ProfileSums]:
            image = self.read(view)
            raw = find_in(image, bead_filter, factor, most)
            clear = raw.centres_px[raw.score > _CLEAR_CORRELATION]
            if factor > 1:
                # Sharp enough to average: centred at full size.
                clear = centre_view(
                    image, clear, full, reach_px=1.5 * factor, light=light
                ).centres_px
            sums = gather_profile(image, clear, full.diameter_px)
            moved = self.to_prealigned(view, raw.centres_px)
            return Detections(moved, raw.score, raw.amplitude, raw.contrast), sums

        found = self.run(one, views, "finding beads")
        detections = {v: found[k][0] for k, v in enumerate(views)}
        return detections, {v: found[k][1] for k, v in enumerate(views)}

    def centre(
        self,
        expected_px: Floats,
        profiles: dict[int, BeadProfile],
        diameter_px: float,
        *,
        reach_px: float,
        light: bool,
        prepare: Callable[[Image], Image] | None = None,
    ) -> tuple[list[BeadFits | None], dict[int, ProfileSums]]:
        """Centre beads in all included views from where they are expected.

        Parameters
        ----------
        expected_px : (p, v, 2) float64
            In the prealigned frame; NaN where a bead is not to be looked for.
        profiles : dict of BeadProfile
            By view; views that have none are left out.
        diameter_px : float
            For the averages: the same in all calls.
        reach_px : float
            How far a bead may be from its place.
        light : bool
        prepare : callable, optional
            Filter of the images.

        Returns
        -------
        fits : list of BeadFits or None
            By view, in the prealigned frame.
        profiles : dict of ProfileSums
            What the beads look like where they were found.
        """

        def one(view: int) -> tuple[BeadFits, ProfileSums]:
            image = self.stack.read(view)
            if prepare is not None:
                image = prepare(image)
            start = self.to_raw(view, expected_px[:, view])
            raw = centre_view(image, start, profiles[view], reach_px=reach_px, light=light)
            clear = raw.centres_px[raw.correlation > _CLEAR_CORRELATION]
            sums = gather_profile(image, clear, diameter_px)
            moved = self.to_prealigned(view, raw.centres_px)
            return (
                BeadFits(moved, raw.amplitude, raw.background, raw.noise, raw.correlation),
                sums,
            )

        views = [v for v in self.by_tilt if v in profiles]
        found = self.run(one, views, "centring beads")
        fits: list[BeadFits | None] = [None] * self.views.count
        for k, view in enumerate(views):
            fits[view] = found[k][0]
        return fits, {view: found[k][1] for k, view in enumerate(views)}


def find_in(image: Image, bead_filter: BeadFilter, factor: int, max_count: int) -> Detections:
    """Find beads in an image reduced by `factor`; positions are those of the whole image."""
    if factor == 1:
        return find_beads(image, bead_filter, max_count=max_count)
    found = find_beads(bin_mean(image, factor), bead_filter, max_count=max_count)
    offset = [bin_offset(image.shape[1], factor), bin_offset(image.shape[0], factor)]
    return Detections(
        found.centres_px * factor + offset, found.score, found.amplitude, found.contrast
    )
