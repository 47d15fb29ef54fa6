"""A simulated tilt series on disk, with the files of a real one and a file of the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tomoline.files import angles as tlt
from tomoline.files import transforms as xf
from tomoline.files.atomic import write_text, writing
from tomoline.files.mrc import MrcWriter
from tomoline.params import StepParams, parameter
from tomoline.simulate import microscope
from tomoline.simulate.phantom import random_specimen
from tomoline.simulate.projection import ball_profiles, project_view
from tomoline.simulate.truth import Truth


class TiltSimulation(StepParams):
    """What a simulated tilt series is like."""

    seed: int = parameter(1, help="Same number, same bytes.", ge=0)
    width: int = parameter(512, help="Width of a view in pixels.", ge=16)
    height: int = parameter(512, help="Height of a view in pixels.", ge=16)
    views: int = parameter(41, help="Number of views; 41 is a step of 3 degrees.", ge=1)
    max_tilt_deg: float = parameter(60.0, help="Tilt of the last view.", gt=0, le=80)
    pixel_size_nm: float = parameter(1.0, help="Size of a pixel on the specimen.", gt=0)
    thickness_nm: float = parameter(100.0, help="Thickness of the slab of ice.", gt=0)
    gold: bool = parameter(True, help="Whether there are gold beads on the ice.")
    beads: int = parameter(24, help="Number of gold beads in the field.", ge=0)
    surfaces: int = parameter(2, help="Surfaces of the ice that carry gold, 1 or 2.", ge=1, le=2)
    gold_diameter_nm: float = parameter(10.0, help="Mean diameter of the gold.", gt=0)
    blobs: int | None = parameter(
        None, help="Protein-like blobs in the field; none: as many as fill the ice evenly.", ge=0
    )
    filaments: int | None = parameter(
        None, help="Bent filaments in the field; none: as many as fill the ice evenly.", ge=0
    )
    vesicles: int | None = parameter(
        None, help="Membrane vesicles in the field; none: as many as fill the ice evenly.", ge=0
    )
    tilt_axis_deg: float = parameter(
        85.3, help="Angle of the tilt axis from the vertical, counter-clockwise."
    )
    axis_jitter_deg: float = parameter(
        0.04, help="Standard deviation of the axis angle over the views.", ge=0
    )
    magnification_jitter_percent: float = parameter(
        0.06, help="Standard deviation of the magnification over the views.", ge=0
    )
    drift_percent: float = parameter(
        12.0, help="Largest shift of a view, in percent of the width.", ge=0, le=40
    )
    tilt_jitter_deg: float = parameter(
        0.0, help="Standard deviation of the stage's error of a tilt angle.", ge=0
    )
    tilt_offset_deg: float | None = parameter(
        None, help="Slope of the ice across the axis; none: drawn within 4 degrees."
    )
    pitch_deg: float | None = parameter(
        None, help="Slope of the ice along the axis; none: drawn within 5 degrees."
    )
    dose_e_per_a2: float = parameter(110.0, help="Electrons per square Angstrom, all views.", gt=0)
    noise: bool = parameter(True, help="Whether electrons are counted one by one.")
    voltage_kv: float = parameter(300.0, help="Voltage of the microscope.", gt=0)
    defocus_um: float = parameter(0.0, help="Underfocus; 0 shows plain absorption, without CTF.")
    spikes: int = parameter(12, help="X-ray hits of 1 to 4 pixels in each view.", ge=0)
    hot_pixels: int = parameter(5, help="Pixels that are too bright in all views.", ge=0)
    dark_views: int = parameter(0, help="Views that the shutter kept dark.", ge=0)
    axis_title: bool = parameter(
        True, help="Whether the header tells the tilt axis angle, as SerialEM writes it."
    )
    mdoc: bool = parameter(True, help="Whether to write a .mdoc with the dose of each view.")


def plan(settings: TiltSimulation) -> Truth:
    """Draw the geometry and the specimen of a tilt series; nothing is projected yet."""
    rng = np.random.default_rng([settings.seed, 0])
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

    sine, cosine = abs(math.sin(math.radians(settings.tilt_axis_deg))), 0.0
    cosine = math.sqrt(1 - sine**2)
    turned = cosine < math.sqrt(0.5)
    field = (settings.height, settings.width) if turned else (settings.width, settings.height)
    thickness = settings.thickness_nm / settings.pixel_size_nm
    # The beam's footprint is wider on a tilted slab, and drift brings more of it into view.
    across = settings.width * cosine + settings.height * sine + 2 * drift_px
    along = settings.width * sine + settings.height * cosine + 2 * drift_px
    steepest = min(settings.max_tilt_deg + abs(offset), 72.0)
    extent = ((across + thickness) / math.cos(math.radians(steepest)), along + 0.3 * thickness)
    area = field[0] * field[1] * settings.pixel_size_nm**2 / 512**2
    volume = area * settings.thickness_nm / 100
    specimen = random_specimen(
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
    folder.mkdir(parents=True, exist_ok=True)
    truth = plan(settings)
    path = folder / f"{root}.mrc"
    hits: list[tuple[tuple[int, int], ...]] = []
    profiles = ball_profiles(truth.specimen.balls)
    titles = ["tomoline: simulated tilt series"]
    if settings.axis_title:
        titles.append(_axis_title(settings))
    shape = (settings.views, settings.height, settings.width)
    size = (settings.pixel_size_nm,) * 3
    with MrcWriter(path, shape, 1, pixel_size_nm=size, titles=tuple(titles)) as writer:
        for view in range(settings.views):
            rng = np.random.default_rng([settings.seed, 1, view])
            projection = project_view(
                truth.specimen,
                profiles,
                math.radians(truth.tilt_deg[view]),
                math.radians(truth.pitch_deg),
                truth.transforms[view],
                shape[1:],
            )
            if settings.defocus_um != 0:
                lens = microscope.Lens(
                    settings.defocus_um, settings.voltage_kv, settings.pixel_size_nm
                )
                projection = lens.apply(projection)
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


def _beam(settings: TiltSimulation, truth: Truth, view: int) -> float:
    """Electrons per pixel that pass the bare ice in a view."""
    dose = settings.dose_e_per_a2 / settings.views * (settings.pixel_size_nm * 10) ** 2
    passed = microscope.transmission(
        settings.thickness_nm,
        math.radians(truth.tilt_deg[view]),
        math.radians(truth.pitch_deg),
    )
    return dose * passed * (microscope.DARK_SHARE if view in truth.dark_views else 1.0)


def _axis_title(settings: TiltSimulation) -> str:
    return f"    Tilt axis angle = {settings.tilt_axis_deg:.1f}, binning = 1  spot = 6  camera = 0"


def mdoc_text(settings: TiltSimulation, truth: Truth, image: str) -> str:
    """Return the text of a SerialEM ``.mdoc`` with angles and doses, acquired in file order."""
    dose = settings.dose_e_per_a2 / settings.views
    lines = [
        f"PixelSpacing = {settings.pixel_size_nm * 10:g}",
        f"Voltage = {settings.voltage_kv:g}",
        f"ImageFile = {image}",
        f"ImageSize = {settings.width} {settings.height}",
        "DataMode = 1",
        "",
        f"[T = {_axis_title(settings)}]",
        "",
    ]
    for view, angle in enumerate(truth.nominal_tilt_deg):
        lines += [
            f"[ZValue = {view}]",
            f"TiltAngle = {angle:.2f}",
            f"PixelSpacing = {settings.pixel_size_nm * 10:g}",
            f"ExposureDose = {dose:.4f}",
            f"PriorRecordDose = {dose * view:.4f}",
            f"TargetDefocus = {-settings.defocus_um:g}",
            # SerialEM counts the camera's rotation from another direction than the title does.
            f"RotationAngle = {_wrapped(settings.tilt_axis_deg + 90):.2f}",
            "",
        ]
    return "\n".join(lines)


def _wrapped(angle_deg: float) -> float:
    """Bring an angle into -180 to 180 degrees."""
    return (angle_deg + 180) % 360 - 180


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
