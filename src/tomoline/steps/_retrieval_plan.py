"""What retrieval does to a scan: parameters, and what the scan's files say, put together."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from tomoline import errors
from tomoline.errors import Notice
from tomoline.params import StepParams, parameter

if TYPE_CHECKING:
    from tomoline.kernels.phase_filters import Method, Optics, Retrieving
    from tomoline.steps.scan_layout import ScanLayout

N = TypeVar("N", int, float)

_DEFAULT_BETA_OVER_DELTA = 0.1
_DEFAULT_ZERO_COMPENSATION = 0.1
# More than so many times the longer side is a slip.
_MOST_PADDING = 8
# Padding, where nobody says, as a part of the longer side: HiTT's 200 for 2048.
_PADDING_PART = 0.1


class RetrieveParams(StepParams):
    """Turn frames into projections: flat-field correction, phase retrieval, in one pass.

    Projections are of the phase in rad, positive in matter, or of the absorption -ln(transmission).
    """

    method: Literal[
        "auto", "ctf", "ctf_pure_phase", "ctf_two_unknowns", "paganin", "ict", "none"
    ] = parameter(
        "auto",
        help="ctf: contrast transfer function of a weak object of one beta/delta, any number of "
        "distances; ict: the same, followed by a logarithm, so that absorption need not be weak; "
        "ctf_pure_phase: without absorption; ctf_two_unknowns: phase and absorption apart; "
        "paganin: one material, near field; none: -ln(transmission) at the first distance. auto: "
        "ict for several distances (where ctf tells 3 % too little for a phase of 0.5 rad and "
        "beta/delta 0.1); paganin for one if beta/delta is known; none where the geometry is not.",
        when="ctf for the numbers of other programs.",
    )
    quantity: Literal["phase", "absorption"] = parameter(
        "phase",
        help="Whether projections are of the phase or, with the same method, of the absorption.",
        when="absorption with ctf_two_unknowns, to see what the phase does not show.",
    )
    beta_over_delta: float | None = parameter(
        None,
        ge=0,
        le=10,
        help="Ratio of absorption to refraction; by default BETADELTA of the parameter file, else "
        f"{_DEFAULT_BETA_OVER_DELTA}, far above that of soft tissue, which keeps slow changes of "
        "the beam from becoming clouds.",
        when="Lower it to 0.01 where large smooth regions shall keep their density; raise it "
        "against clouds.",
    )
    zero_compensation: float | None = parameter(
        None,
        ge=0,
        le=10,
        help="Added to the denominator for each distance where its contrast may vanish; by default "
        f"ZEROCOMP of the parameter file, else {_DEFAULT_ZERO_COMPENSATION}, as at beamline P14.",
        when="Raise it for noisy frames, lower it for the finest detail.",
    )
    padding_px: int | None = parameter(
        None,
        ge=0,
        help="Pixels by which frames are padded on each side; by default PADDING of the parameter "
        "file, else a tenth of the longer side, or as far as fringes reach.",
        unit="pixels",
        when="Raise it where slices show arcs from the edges of the frames.",
    )
    corrected_frames: bool = parameter(
        False,
        help="Whether to write the flat-corrected frames too, as float32 TIFF files with the "
        "matching scores and the chosen flats in the tags 1200 and 1201; no, as they are twice as "
        "large as the scan.",
    )


@dataclass(frozen=True)
class RetrievalPlan:
    """What is to be done; every default is settled.

    Attributes
    ----------
    method : str
        As the parameter, never ``auto``.
    quantity : {"phase", "absorption"}
    distances : int
        How many distances take part, from the first on.
    beta_over_delta, zero_compensation : float
    padding_px : int
    energy_kev : float or None
    pixel_size_um : float or None
        In the specimen's plane, of the first distance.
    distances_m : tuple of float
        Effective propagation distances of those that take part.
    magnification : tuple of float
        Of each distance relative to the first, from the geometry.
    """

    method: str
    quantity: Literal["phase", "absorption"]
    distances: int
    beta_over_delta: float
    zero_compensation: float
    padding_px: int
    energy_kev: float | None
    pixel_size_um: float | None
    distances_m: tuple[float, ...]
    magnification: tuple[float, ...]

    @property
    def optics(self) -> Optics | None:
        """The optics, None where no phase is retrieved."""
        if self.method == "none" or self.energy_kev is None or self.pixel_size_um is None:
            return None
        from tomoline.kernels.phase_filters import Optics

        return Optics(self.energy_kev, self.pixel_size_um, self.distances_m)

    @property
    def retrieving(self) -> Retrieving:
        """The constants of the filter."""
        from tomoline.kernels.phase_filters import Retrieving

        method = cast("Method", self.method)
        return Retrieving(method, self.beta_over_delta, self.zero_compensation, self.quantity)

    @property
    def delta_per_unit(self) -> float | None:
        """Delta for one unit of density per pixel."""
        optics = self.optics
        return None if optics is None or self.quantity == "absorption" else optics.delta_per_rad


def settle(params: RetrieveParams, layout: ScanLayout) -> tuple[RetrievalPlan, list[Notice]]:
    """Settle what is to be done with a scan, and what to warn of.

    Raises
    ------
    TomolineError
        RETRIEVE-01 if the geometry is not known, RETRIEVE-02 if the method does not fit.
    """
    notices: list[Notice] = []
    unknown = _unknown(layout)
    ratio = _first(params.beta_over_delta, layout.hints.beta_over_delta)
    count = len(layout.projections)
    method: str = params.method
    if method == "auto":
        method = _choose(count, unknown, ratio, notices, layout)
    elif method != "none" and unknown:
        raise errors.retrieve.GEOMETRY_UNKNOWN.error(
            layout.root, f"retrieve.method={method}, but {_and(unknown)} unknown."
        )
    magnification, effective_m = _cone(layout)
    settled = RetrievalPlan(
        method=method,
        quantity="absorption" if method == "none" else params.quantity,
        distances=1 if method == "none" else count,
        beta_over_delta=_DEFAULT_BETA_OVER_DELTA if ratio is None else ratio,
        zero_compensation=_first(
            params.zero_compensation, layout.hints.zero_compensation, _DEFAULT_ZERO_COMPENSATION
        )
        or 0.0,
        padding_px=0,
        energy_kev=layout.energy_kev,
        pixel_size_um=None
        if layout.pixel_size_um is None
        else layout.pixel_size_um / magnification[0],
        distances_m=effective_m,
        magnification=tuple(one / magnification[0] for one in magnification),
    )
    _check(settled, layout)
    return _padded(settled, params, layout, notices), notices


def _unknown(layout: ScanLayout) -> list[str]:
    """Name what of the geometry is not known."""
    known = {
        "the X-ray energy": bool(layout.energy_kev),
        "the pixel size": bool(layout.pixel_size_um),
        "the distance": len(layout.distances_m) == len(layout.projections),
    }
    missing = [name for name, is_known in known.items() if not is_known]
    if known["the distance"] and min(layout.distances_m) <= 0:
        missing.append("the phase at a distance of 0 m")
    return missing


def _choose(
    count: int, unknown: list[str], ratio: float | None, notices: list[Notice], layout: ScanLayout
) -> str:
    """Choose a method; a phase is only retrieved where nothing essential has to be guessed."""
    if not unknown:
        if ratio == 0:
            return "ctf_pure_phase"
        if count > 1:
            return "ict"
        if ratio is not None:
            return "paganin"
    elif count > 1 or ratio is not None:
        # Somebody expects a phase.
        notices.append(
            errors.retrieve.ONLY_ABSORPTION.notice(
                layout.root, f"{len(layout.projections)} distance(s), but {_and(unknown)} unknown."
            )
        )
    return "none"


def _and(names: list[str]) -> str:
    return " and ".join(names) + (" is" if len(names) == 1 else " are")


def _cone(layout: ScanLayout) -> tuple[list[float], tuple[float, ...]]:
    """Return magnifications and effective distances; a parallel beam magnifies by 1."""
    count = len(layout.projections)
    if not layout.source_distance_m or not layout.distances_m:
        return [1.0] * count, layout.distances_m
    magnification = [1 + distance / layout.source_distance_m for distance in layout.distances_m]
    effective = tuple(
        distance / by for distance, by in zip(layout.distances_m, magnification, strict=True)
    )
    if len(magnification) != count:
        return [1.0] * count, effective
    return magnification, effective


def _check(plan: RetrievalPlan, layout: ScanLayout) -> None:
    kind = errors.retrieve.METHOD_DOES_NOT_FIT
    if plan.method == "ctf_two_unknowns" and plan.distances < 2:
        raise kind.error(layout.root, "retrieve.method=ctf_two_unknowns, but one distance only.")
    if plan.method in ("paganin", "ict") and plan.beta_over_delta <= 0:
        raise kind.error(layout.root, f"retrieve.method={plan.method}, but beta/delta is 0.")
    if plan.method == "ctf_pure_phase" and plan.quantity == "absorption":
        raise kind.error(layout.root, "The absorption of a pure phase object was asked for.")


def _padded(
    plan: RetrievalPlan, params: RetrieveParams, layout: ScanLayout, notices: list[Notice]
) -> RetrievalPlan:
    optics = plan.optics
    if optics is None:
        return replace(plan, padding_px=0)
    from tomoline.kernels.phase_filters import needed_padding

    longer = max(layout.height_px, layout.width_px)
    needed = needed_padding(optics)
    given = _first(params.padding_px, layout.hints.padding_px)
    if given is None:
        return replace(
            plan, padding_px=min(longer, max(math.ceil(_PADDING_PART * longer), 2 * needed))
        )
    if given > max(_MOST_PADDING * longer, 2 * needed):
        raise errors.parameters.BAD_VALUE.error(
            "retrieve.padding_px" if params.padding_px is not None else f"{layout.root}, PADDING",
            f"{given} pixels on each side of {layout.width_px} x {layout.height_px}; fringes reach "
            f"{needed}.",
            "Give a few times what the fringes reach, or leave it out.",
        )
    if given < needed:
        notices.append(
            errors.retrieve.LITTLE_PADDING.notice(
                layout.root, f"Padding of {given} pixels, but fringes reach {needed}."
            )
        )
    return replace(plan, padding_px=int(given))


def _first(*values: N | None) -> N | None:
    return next((value for value in values if value is not None), None)
