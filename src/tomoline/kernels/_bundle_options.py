"""What the bundle adjustment solves for, and how it weighs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Common = Literal["fixed", "one", "each", "grouped"]
PerView = Literal["fixed", "each", "grouped"]


@dataclass(frozen=True)
class BundleOptions:
    """Variables, priors and weights of `tomoline.kernels.bundle.solve_bundle`.

    Attributes
    ----------
    rotation, tilt, magnification : str
        "fixed", "one" (rotation only), "each" view, or "grouped": linear between nodes. Tilts and
        magnifications are solved but for their common offset and scale, which are the specimen's.
    rotation_group, tilt_group, magnification_group : int
        Views between two nodes of a group, in order of tilt; for tilts at low tilt, and fewer with
        its cosine.
    beam_tilt : str
        "fixed" at `beam_tilt_rad`, or "solve", starting there.
    rotation_prior_rad, tilt_prior_rad, magnification_prior : float
        Standard deviation expected of a view's parameter round the common one (rotation), the
        nominal one (tilt) or 1 (magnification). They keep weakly determined variables sane;
        infinite for no prior.
    robust : bool
        Tukey weights, which fall with the residual and are 0 for outliers.
    k_factor : float
        Scales Tukey's constant 4.685: smaller gives less weight to more points. With 1, the
        centres of views of real gold came out a fifth worse than with 1.6.
    weight_whole_tracks : bool
        One weight a track instead of one a point, as fits patches.
    max_iterations : int
        Bound on the steps of the minimiser.
    """

    rotation: Common = "each"
    rotation_group: int = 5
    tilt: PerView = "fixed"
    tilt_group: int = 5
    magnification: PerView = "each"
    magnification_group: int = 4
    beam_tilt: Literal["fixed", "solve"] = "fixed"
    beam_tilt_rad: float = 0.0
    rotation_prior_rad: float = math.radians(0.2)
    tilt_prior_rad: float = math.radians(0.5)
    magnification_prior: float = 2e-3
    robust: bool = True
    k_factor: float = 1.6
    weight_whole_tracks: bool = False
    max_iterations: int = 50
