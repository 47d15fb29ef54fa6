"""A simulated tilt series on disk, with the files of a real one and a file of the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tomoline.files import angles as tlt
from tomoline.files import transforms as xf
from tomoline.files.atomic import write_text, writing
from tomoline.files.mrc import MrcWriter
from tomoline.simulate import microscope
from tomoline.simulate.phantom import random_specimen
from tomoline.simulate.projection import Profiles, ball_profiles, project_view
from tomoline.simulate.serialem import axis_title, mdoc_text
from tomoline.simulate.settings import TiltSimulation
from tomoline.simulate.specimen import Floats, Specimen
from tomoline.simulate.truth import Truth

__all__ = [
    "TiltSimulation",
    "plan",
    "plan_second",
    "simulate_dual",
    "simulate_tilt",
    "write_true_geometry",
]

_FRINGE_PX = 64


def plan(settings: TiltSimulation) -> Truth:
    """Draw the geometry and the specimen of a tilt series; nothing is projected yet."""
    return _plan(settings, np.random.default_rng([settings.seed, 0]), None)


def plan_second(settings: TiltSimulation, first: Truth) -> Truth:
    """Draw the second axis of a dual-axis set, whose first axis is `first`.

    The same specimen with the grid turned, and everything that chance decides decided anew.
    """
    rng = np.random.default_rng([settings.seed, 2])
    turn = rng.uniform(86.0, 94.0) if settings.turn_deg is None else settings.turn_deg
    way = rng.uniform(0, 2 * math.pi)
    far = settings.moved_percent / 100 * settings.width
    moved = (round(far * math.cos(way), 3), round(far * math.sin(way), 3))
    turn = round(float(turn), 3)
    specimen = first.specimen.turned(turn, moved)
    truth = _plan(settings, rng, specimen)
    return replace(truth, turned_deg=turn, moved_px=moved)


def _plan(settings: TiltSimulation, rng: np.random.Generator, specimen: Specimen | None) -> Truth:
    """Draw the geometry of a series, and the specimen too where none is given."""
    views = settings.views
    nominal = np.round(np.linspace(-settings.max_tilt_deg, settings.max_tilt_deg, views), 2)
    if views == 1:
        nominal = np.zeros(1)
    offset, pitch = (
        round(float(rng.uniform(-limit, limit)), 3) if given is None else given
        for given, limit in ((settings.tilt_offset_deg, 4.0), (settings.pitch_deg, 5.0))
    )
    drift_px = settings.drift_percent / 100 * settings.width
    offsets = microscope.wander(rng, views, drift_px * rng.uniform(0.5, 1.0))
    axis = settings.tilt_axis_deg + rng.normal(0, settings.axis_jitter_deg, views)
    magnification = 1 + rng.normal(0, settings.magnification_jitter_percent / 100, views)
    missed = np.round(rng.normal(0, settings.tilt_jitter_deg, views), 4)
    dark = rng.permutation(views)[: settings.dark_views]
    hot = microscope.hot_pixels(rng, settings.hot_pixels, (settings.height, settings.width))

    field, extent = _sizes(settings, drift_px, abs(offset))
    thickness = settings.thickness_nm / settings.pixel_size_nm
    area = field[0] * field[1] * settings.pixel_size_nm**2 / 512**2
    volume = area * settings.thickness_nm / 100
    specimen = specimen or random_specimen(
        rng,
        field_px=field,
        extent_px=extent,
        thickness_px=thickness,
        pixel_size_nm=settings.pixel_size_nm,
        beads=settings.beads if settings.gold else 0,
        surfaces=settings.surfaces,
        gold_diameter_px=settings.gold_diameter_nm / settings.pixel_size_nm,
        blobs=round(400 * volume) if settings.blobs is None else settings.blobs,
        filaments=round(8 * volume) if settings.filaments is None else settings.filaments,
        vesicles=round(4 * area) if settings.vesicles is None else settings.vesicles,
    )
    return Truth(
        transforms=microscope.raw_to_aligned(offsets, axis, magnification),
        nominal_tilt_deg=nominal,
        tilt_offset_deg=offset,
        pitch_deg=pitch,
        tilt_error_deg=missed,
        tilt_axis_deg=settings.tilt_axis_deg,
        specimen=specimen,
        field_px=field,
        dark_views=tuple(sorted(int(view) for view in dark)),
        hot_pixels=tuple((int(x), int(y)) for x, y in hot),
        settings=settings.model_dump(mode="json"),
    )


def _sizes(
    settings: TiltSimulation, drift_px: float, offset_deg: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return width and height of the aligned field, and of all that may come into view."""
    width, height = settings.width, settings.height
    sine = abs(math.sin(math.radians(settings.tilt_axis_deg)))
    cosine = abs(math.cos(math.radians(settings.tilt_axis_deg)))
    field = (height, width) if sine > cosine else (width, height)
    # The beam's footprint is wider on a tilted slab, and drift brings more of it into view.
    thickness = settings.thickness_nm / settings.pixel_size_nm
    across = width * cosine + height * sine + 2 * drift_px + thickness
    along = width * sine + height * cosine + 2 * drift_px + 0.3 * thickness
    steepest = min(settings.max_tilt_deg + offset_deg, 80.0)
    across /= math.cos(math.radians(steepest))
    if settings.dual:  # the other axis sees as far along as this one across
        across = along = across + 2 * settings.moved_percent / 100 * width
    return field, (across, along)


def simulate_tilt(
    folder: Path,
    root: str,
    settings: TiltSimulation | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    **changes: Any,
) -> Path:
    """Write ``root.mrc``, ``root.rawtlt``, ``root.mrc.mdoc`` and ``root_truth.json``.

    Parameters
    ----------
    folder : Path
        Where to write; made if it does not exist.
    root : str
        Root name.
    settings : TiltSimulation, optional
        What to simulate.
    progress : callable, optional
        Called with the number of views done and of all views.
    **changes
        Fields of `TiltSimulation` in place of those of `settings`, such as ``seed=3``.

    Returns
    -------
    Path
        The raw stack.
    """
    given = {} if settings is None else settings.model_dump()
    settings = TiltSimulation(**{**given, **changes})
    return _write_series(folder, root, settings, plan(settings), 1, progress)


def simulate_dual(
    folder: Path,
    root: str,
    settings: TiltSimulation | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    **changes: Any,
) -> tuple[Path, Path]:
    """Write the two series of a dual-axis set, ``roota`` and ``rootb``, each as `simulate_tilt`.

    The truth of axis b tells how the specimen was turned and moved from where it lay for axis a.

    Returns
    -------
    (Path, Path)
        The raw stacks.
    """
    given = {} if settings is None else settings.model_dump()
    settings = TiltSimulation(**{**given, **changes, "dual": True})
    first = plan(settings)
    return (
        _write_series(folder, f"{root}a", settings, first, 1, progress),
        _write_series(folder, f"{root}b", settings, plan_second(settings, first), 3, progress),
    )


def _write_series(
    folder: Path,
    root: str,
    settings: TiltSimulation,
    truth: Truth,
    stream: int,
    progress: Callable[[int, int], None] | None,
) -> Path:
    """Write the files of one series; `stream` tells which random numbers its noise takes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{root}.mrc"
    hits: list[tuple[tuple[int, int], ...]] = []
    profiles = ball_profiles(truth.specimen.balls)
    titles = ["tomoline: simulated tilt series"]
    if settings.axis_title:
        titles.append(axis_title(settings))
    shape = (settings.views, settings.height, settings.width)
    size = (settings.pixel_size_nm,) * 3
    with MrcWriter(path, shape, 1, pixel_size_nm=size, titles=tuple(titles)) as writer:
        for view in range(settings.views):
            rng = np.random.default_rng([settings.seed, stream, view])
            projection = _seen(settings, truth, profiles, view)
            expected = microscope.electrons(projection, _beam(settings, truth, view))
            counts = microscope.detect(expected, rng if settings.noise else None)
            hits.append(tuple(microscope.spike(counts, rng, settings.spikes)))
            level = float(np.median(counts[::8, ::8]))
            for x, y in truth.hot_pixels:
                counts[y, x] = min(4 * max(level, 100.0), 32000)
            writer.write(view, counts)
            if progress is not None:
                progress(view + 1, settings.views)
    _write_truth(folder / f"{root}_truth.json", truth, tuple(hits))
    tlt.write(folder / f"{root}.rawtlt", truth.nominal_tilt_deg, decimals=2)
    if settings.mdoc:
        write_text(folder / f"{root}.mrc.mdoc", mdoc_text(settings, truth, path.name))
    return path


def _seen(settings: TiltSimulation, truth: Truth, profiles: Profiles, view: int) -> Floats:
    """Return the projection of a view (y, x), as the lens shows it."""
    # The transfer function's fringes would come in again at the opposite edge.
    margin = _FRINGE_PX if settings.defocus_um != 0 else 0
    projection = project_view(
        truth.specimen,
        profiles,
        math.radians(truth.tilt_deg[view]),
        math.radians(truth.pitch_deg),
        truth.transforms[view],
        (settings.height + 2 * margin, settings.width + 2 * margin),
    )
    if margin == 0:
        return projection
    lens = microscope.Lens(settings.defocus_um, settings.voltage_kv, settings.pixel_size_nm)
    return lens.apply(projection)[margin:-margin, margin:-margin]


def _beam(settings: TiltSimulation, truth: Truth, view: int) -> float:
    """Electrons per pixel that pass the bare ice in a view."""
    dose = settings.dose_e_per_a2 / settings.views * (settings.pixel_size_nm * 10) ** 2
    passed = microscope.transmission(
        settings.thickness_nm,
        math.radians(truth.tilt_deg[view]),
        math.radians(truth.pitch_deg),
    )
    return dose * passed * (microscope.DARK_SHARE if view in truth.dark_views else 1.0)


def write_true_geometry(folder: Path, root: str, truth: Truth) -> tuple[Path, Path]:
    """Write the true transforms and angles as ``root_true.xf`` and ``root_true.tlt``.

    The angles are those of the level specimen, so that only the pitch is left for an X-axis tilt.
    """
    transforms, angles = folder / f"{root}_true.xf", folder / f"{root}_true.tlt"
    xf.write(transforms, truth.transforms)
    tlt.write(angles, truth.tilt_deg)
    return transforms, angles


def _write_truth(path: Path, truth: Truth, hits: tuple[tuple[tuple[int, int], ...], ...]) -> None:
    with writing(path) as temporary:
        Truth(**{**vars(truth), "spikes": hits}).write(temporary)
