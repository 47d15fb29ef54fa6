"""Shifts between distances: the kernel, the course over a scan, and the step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline.engine.threads import ThreadsEngine
from tomoline.errors import Notice, TomolineError, files
from tomoline.files.frames import ArrayFrames, FrameLocation
from tomoline.kernels.distance_shift import DistanceMatcher
from tomoline.kernels.fourier import forward_2d
from tomoline.kernels.smooth_shifts import local_fit
from tomoline.simulate.scan import Scan, ScanSimulation
from tomoline.steps import _anchors, register
from tomoline.steps._anchors import AnchorMeasurer, Measurement, ShiftCourse, magnifications
from tomoline.steps._register_params import RegisterParams
from tomoline.steps._shift_course import LOOK_AHEAD_ANGLES
from tomoline.steps._shifts import Shifts
from tomoline.steps.scan_layout import ScanLayout

Real = NDArray[np.float32]
STRENGTHS = (11.9, 12.55, 13.5, 15.0)  # lambda z / pixel^2 of 18 keV, 0.65 um, 73 to 92 mm


def moved(image: NDArray[Any], dy: float, dx: float) -> NDArray[np.float64]:
    q_y = np.fft.fftfreq(image.shape[0])[:, None]
    q_x = np.fft.fftfreq(image.shape[1])[None, :]
    turned = np.fft.fft2(image) * np.exp(-2j * np.pi * (q_y * dy + q_x * dx))
    return np.asarray(np.fft.ifft2(turned).real)


def blobs(shape: tuple[int, int], seed: int = 0) -> NDArray[np.float64]:
    """A phase in rad made of round blobs, periodic."""
    rng = np.random.default_rng(seed)
    height, width = shape
    y, x = np.mgrid[:height, :width]
    phase = np.zeros(shape)
    for _ in range(40):
        dy = (y - rng.uniform(0, height) + height / 2) % height - height / 2
        dx = (x - rng.uniform(0, width) + width / 2) % width - width / 2
        size = rng.uniform(2, 8)
        phase += 0.1 * np.exp(-(dy**2 + dx**2) / (2 * size**2))
    return phase


def image_of(phase: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """Exact Fresnel propagation, beta/delta 0.1."""
    q_y = np.fft.fftfreq(phase.shape[0])[:, None]
    q_x = np.fft.fftfreq(phase.shape[1])[None, :]
    chirp = np.exp(-1j * np.pi * strength * (q_y**2 + q_x**2))
    return np.asarray(np.abs(np.fft.ifft2(np.fft.fft2(np.exp(-(1j + 0.1) * phase)) * chirp)) ** 2)


@pytest.mark.parametrize("rows", [40, 48, 54, 96, 128, 160])
def test_transforms_of_low_images_are_right(rows: int) -> None:
    # MKL's transform of real images errs for 40 and 48 rows.
    image = np.random.default_rng(0).normal(size=(rows, 64)).astype(np.float32)
    np.testing.assert_allclose(forward_2d(image), np.fft.rfft2(image), atol=2e-3)


@pytest.mark.parametrize("binning", [1, 2, 3])
def test_a_known_shift_is_found(binning: int) -> None:
    image = blobs((96, 256))
    matcher = DistanceMatcher((96, 256), None, 1, binning=binning)
    first = matcher.prepare(image.astype(np.float32))
    for dy, dx in ((0.0, 0.0), (1.3, -2.5), (-0.45, 6.2)):
        second = moved(image, -dy, -dx).astype(np.float32)
        match = matcher.measure(first, second, (0, 0))
        assert abs(match.dy_px - dy) < 0.04
        assert abs(match.dx_px - dx) < 0.04
        assert match.coefficient > 0.9
        assert match.beyond_px is None


def test_fringes_of_other_distances_do_not_bias() -> None:
    phase = blobs((96, 256), seed=1)
    matcher = DistanceMatcher((96, 256), STRENGTHS, 4)
    first = matcher.prepare(image_of(phase, STRENGTHS[0]).astype(np.float32))
    image = moved(image_of(phase, STRENGTHS[3]), -1.7, 0.6).astype(np.float32)
    match = matcher.measure(first, image, (0, 3))
    assert abs(match.dy_px - 1.7) < 0.03
    assert abs(match.dx_px + 0.6) < 0.03


def test_fringes_of_either_sign_add_up() -> None:
    # Fine texture, where the second distance's fringes have the other sign.
    rng = np.random.default_rng(2)
    spectrum = np.fft.fft2(rng.normal(size=(96, 256)))
    q = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.fftfreq(256)[None, :])
    phase = 0.1 * np.fft.ifft2(spectrum * np.exp(-((q - 0.17) ** 2) / (2 * 0.02**2))).real
    strengths = (12.0, 50.0)
    first_image = image_of(phase, strengths[0]).astype(np.float32)
    image = moved(image_of(phase, strengths[1]), -1.0, -2.0).astype(np.float32)
    known = DistanceMatcher((96, 256), strengths, 2)
    match = known.measure(known.prepare(first_image), image, (0, 1))
    assert np.hypot(match.dy_px - 1.0, match.dx_px - 2.0) < 0.05
    plain = DistanceMatcher((96, 256), None, 2)
    unaware = plain.measure(plain.prepare(first_image), image, (0, 1))
    assert np.hypot(unaware.dy_px - 1.0, unaware.dx_px - 2.0) > 1.0


def test_stripes_that_stay_do_not_pull() -> None:
    rng = np.random.default_rng(3)
    phase = blobs((96, 256), seed=3)
    # Strong stripes, of changing strength along the rows, in the same place in both images.
    along = 1 + 0.5 * np.cos(2 * np.pi * np.arange(256) / 200)
    stripes = 1 + 0.015 * rng.normal(size=(96, 1)) * along
    matcher = DistanceMatcher((96, 256), STRENGTHS, 4)
    first = matcher.prepare((image_of(phase, STRENGTHS[0]) * stripes).astype(np.float32))
    image = moved(image_of(phase, STRENGTHS[1]), -2.0, -1.0) * stripes
    match = matcher.measure(first, image.astype(np.float32), (0, 1))
    assert abs(match.dy_px - 2.0) < 0.06
    assert abs(match.dx_px - 1.0) < 0.03


def test_a_shift_beyond_the_range_is_told() -> None:
    image = blobs((96, 256), seed=4)
    matcher = DistanceMatcher((96, 256), None, 1, search_px=8)
    first = matcher.prepare(image.astype(np.float32))
    match = matcher.measure(first, np.roll(image, 25, 1).astype(np.float32), (0, 0))
    assert match.beyond_px is not None
    assert abs(match.beyond_px[1] + 25) <= 1


def test_empty_images_give_nothing() -> None:
    matcher = DistanceMatcher((32, 32), None, 1)
    empty = matcher.prepare(np.ones((32, 32), np.float32))
    assert matcher.match(empty, empty, (0, 0)).coefficient == 0.0


def test_a_parabola_is_kept_and_an_outlier_is_not() -> None:
    place = np.arange(7.0) * 16
    values = np.stack([1e-4 * place**2, -0.01 * place], axis=1)
    truth = values[3].copy()
    usable = np.ones(7, bool)
    found = local_fit(place, values, usable, place[3])
    np.testing.assert_allclose(found, truth, atol=1e-6)
    for wrong in (1, 3, 6):
        spoilt = values.copy()
        spoilt[wrong] += 3.0
        np.testing.assert_allclose(local_fit(place, spoilt, usable, place[3]), truth, atol=0.05)
    usable[:] = False
    assert local_fit(place, values, usable, 0.0) is None


def truth_at(angle: int) -> NDArray[np.float64]:
    slow = 1.5 * np.sin(2 * np.pi * angle / 300)
    return np.array([[0.0, 0.0], [slow, 0.01 * angle], [-slow, 1.0]])


def measured_at(angle: int, error: float = 0.0) -> Measurement:
    shifts = truth_at(angle)
    shifts[1:] += error
    return Measurement(shifts, np.ones(3), np.ones(3, bool), (None,) * 3)


def filled(count: int, params: RegisterParams, wrong: dict[int, float]) -> ShiftCourse:
    course = ShiftCourse([True] * count, 3, params)
    for _ in range(2):
        for angle in course.wanted():
            course.add(angle, measured_at(angle, wrong.get(angle, 0.0)))
    return course


def test_the_course_follows_the_shifts() -> None:
    course = filled(301, RegisterParams(), {})
    assert course.anchors == (*range(0, 301, 16), 300)
    assert not course.refined()
    shifts = course.shifts((1.0,) * 3)
    truth = np.array([truth_at(angle) for angle in range(301)])
    assert np.abs(shifts.shifts_px - truth).max() < 0.04
    assert shifts.outliers == ()


def test_an_outlier_is_named_and_does_not_count() -> None:
    course = filled(301, RegisterParams(), {96: 4.0})
    assert course.outliers() == [96]
    # Its neighbours were all measured, to be sure.
    assert course.refined() == [*range(81, 96), *range(97, 112)]
    for angle in (80, 90, 96, 105):
        assert np.abs(course.at(angle) - truth_at(angle)).max() < 0.05


def test_a_jump_is_followed_by_measuring_every_angle() -> None:
    wrong = dict.fromkeys(range(150, 301), 1.0)
    course = filled(301, RegisterParams(), wrong)
    assert set(range(145, 155)) <= set(course.measured)
    for angle in range(0, 301):
        if abs(angle - 149.5) > 3:
            expected = truth_at(angle)
            expected[1:] += wrong.get(angle, 0.0)
            assert np.abs(course.at(angle) - expected).max() < 0.3


@pytest.mark.parametrize("jitter_px", [0.3, 1.0])
def test_jitter_from_angle_to_angle_is_followed(jitter_px: float) -> None:
    rng = np.random.default_rng(8)
    jitter = {angle: float(rng.normal(0, jitter_px)) for angle in range(301)}
    course = filled(301, RegisterParams(), jitter)
    assert len(course.measured) > 200
    off = [
        np.abs(course.at(angle) - truth_at(angle) - jitter[angle])[1:].max()
        for angle in course.measured
    ]
    assert np.sqrt(np.mean(np.square(off))) < 0.05


def test_what_noise_explains_is_smoothed_not_followed() -> None:
    rng = np.random.default_rng(9)
    course = ShiftCourse([True] * 301, 3, RegisterParams(refine_above_px=0.01))
    for _ in range(2):
        for angle in course.wanted():
            one = measured_at(angle, float(rng.normal(0, 0.1)))
            course.add(angle, replace(one, error_px=np.full(3, 0.1)))
    assert len(course.refined()) < 60
    off = np.array([course.at(angle) - truth_at(angle) for angle in range(301)])[:, 1:]
    assert np.sqrt((off**2).mean()) < 0.09


def test_the_error_of_a_shift_is_told() -> None:
    phase = blobs((96, 256), seed=6)
    matcher = DistanceMatcher((96, 256), STRENGTHS, 4)
    rng = np.random.default_rng(7)
    images = [image_of(phase, STRENGTHS[0]), image_of(phase, STRENGTHS[2])]
    found, told = [], []
    for _ in range(60):
        one, two = (image + rng.normal(0, 0.01, image.shape) for image in images)
        match = matcher.match(
            matcher.prepare(one.astype(np.float32)), matcher.prepare(two.astype(np.float32)), (0, 2)
        )
        found.append((match.dy_px, match.dx_px))
        told.append(match.error_px)
    rms = np.sqrt(np.mean(np.var(found, axis=0)))
    assert 0.005 < rms < 0.3
    assert np.sqrt(np.mean(np.square(told))) == pytest.approx(rms, rel=0.35)


def test_angles_depend_on_few_later_ones() -> None:
    params = RegisterParams(every_angles=8)
    ahead = LOOK_AHEAD_ANGLES(params)
    assert ahead == 32
    rng = np.random.default_rng(5)
    noise = {angle: float(rng.normal(0, 0.1)) for angle in range(201)}
    whole = filled(201, params, noise)
    live = ShiftCourse([True] * 201, 3, params)
    seen = 0
    for angle in range(201):
        # Frames arrive one by one, up to the last that this angle may need.
        seen = min(angle + ahead, 200)
        while wanted := [one for one in live.wanted() if one <= seen]:
            for one in wanted:
                live.add(one, measured_at(one, noise[one]))
        assert live.ready(angle)
        assert np.array_equal(live.at(angle), whole.at(angle))
    assert not ShiftCourse([True] * 201, 3, params).ready(0)


def test_missing_angles_are_passed_over() -> None:
    taking_part = [True] * 100
    for gone in (0, 16, 17, 99):
        taking_part[gone] = False
    course = ShiftCourse(taking_part, 2, RegisterParams())
    assert not {0, 16, 17, 99} & set(course.wanted())
    assert course.anchors[0] == 1
    assert course.anchors[-1] == 98


def test_shifts_survive_their_file(tmp_path: Path) -> None:
    shifts = Shifts(np.random.default_rng(6).normal(size=(5, 3, 2)), (1.0, 1.01, 1.02), (3,))
    shifts.write(tmp_path / "shifts.json")
    again = Shifts.read(tmp_path / "shifts.json")
    assert np.array_equal(again.shifts_px, shifts.shifts_px)
    assert again.magnification == shifts.magnification
    assert again.outliers == (3,)


class Divide:
    """A corrector that divides by the mean flat, which leaves the stripes that moved."""

    def __init__(self, scan: Scan, distance: int) -> None:
        flats = [scan.flat(distance, one) for one in range(scan.settings.flats)]
        self.flat = np.mean(flats, axis=0).astype(np.float32) - scan.settings.dark_counts
        self.dark = np.float32(scan.settings.dark_counts)

    def fault(self, raw: NDArray[Any]) -> str | None:
        return "the frame is blank." if raw.mean() < 2 * self.dark else None

    def choose(self, raw: NDArray[Any]) -> None:
        return None

    def correct(self, raw: NDArray[Any], choice: None, time: float | None, out: Real) -> None:
        np.divide(raw - self.dark, self.flat, out=out)


def layout_of(scan: Scan) -> ScanLayout:
    sim = scan.settings
    location = FrameLocation(
        "tiff_files", ".", sim.height_px, sim.width_px, "<u2", ("a.tif",) * sim.angles
    )
    count = len(sim.distances_m)
    return ScanLayout(
        "s",
        "test",
        sim.height_px,
        sim.width_px,
        tuple(scan.truth.angles_deg),
        "",
        (location,) * count,
        (None,) * count,
        (None,) * count,
        sim.energy_kev,
        sim.pixel_size_um,
        tuple(sim.distances_m),
        sim.source_distance_m,
    )


class Context:
    """What the step gets, with frames in memory."""

    def __init__(self, folder: Path, scan: Scan, threads: int = 1) -> None:
        self.folder = folder
        self.engine = ThreadsEngine(threads, 1 << 30)
        self.notices: list[Notice] = []
        self.scan = scan
        layout_of(scan).write(folder / "scan_layout")
        (folder / "flat_fields").touch()

    def input(self, artifact: str) -> Path:
        return self.folder / artifact

    @contextlib.contextmanager
    def writing(self, artifact: str) -> Iterator[Path]:
        yield self.folder / artifact

    def warn(self, notice: Notice) -> None:
        self.notices.append(notice)

    def recall(self, name: str) -> Any:
        return None

    def measurer(self, layout: ScanLayout, flat_fields: Path, params: RegisterParams) -> Any:
        sim = self.scan.settings
        places = range(len(sim.distances_m))
        frames = [
            ArrayFrames(np.array([self.scan.frame(d, a) for a in range(sim.angles)]))
            for d in places
        ]
        return AnchorMeasurer(layout, frames, [Divide(self.scan, d) for d in places], params)


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, threads: int = 1, params: Any = None, **sim: Any
) -> tuple[dict[str, Any], Shifts, Context]:
    settings: dict[str, Any] = {
        "width_px": 192,
        "height_px": 64,
        "angles": 49,
        "distances_m": (0.073, 0.092),
        "flats": 8,
        "phase_rad": 1.0,
    }
    scan = Scan(ScanSimulation(**{**settings, **sim}))
    context = Context(folder, scan, threads)
    monkeypatch.setattr(_anchors.AnchorMeasurer, "open", context.measurer)
    values = register.run(RegisterParams(**(params or {"every_angles": 8})), context)  # type: ignore[arg-type]
    return values, Shifts.read(folder / "shifts"), context


def rms(found: Shifts, context: Context) -> float:
    errors = (found.shifts_px - context.scan.truth.shifts_px)[:, 1:]
    return float(np.sqrt(np.mean(errors**2)))


def test_the_step_on_a_simulated_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, shifts, context = run(tmp_path, monkeypatch)
    assert rms(shifts, context) < 0.05
    assert values["anchors"] == 7
    assert values["outliers"] == []
    assert not context.notices
    one = (tmp_path / "shifts").read_bytes()
    run(tmp_path, monkeypatch, threads=2)
    assert (tmp_path / "shifts").read_bytes() == one


def test_a_cone_is_brought_to_one_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, shifts, context = run(tmp_path, monkeypatch, source_distance_m=0.5)
    assert values["magnification"][1] == pytest.approx(0.592 / 0.573)
    assert rms(shifts, context) < 0.1
    assert not context.notices
    wrong = {"every_angles": 8, "magnification": (1.0, 1.02)}
    _, _, context = run(tmp_path, monkeypatch, source_distance_m=0.5, params=wrong)
    assert "REGISTER-05" in {notice.code for notice in context.notices}
    found = next(one for one in context.notices if one.code == "REGISTER-05").found
    assert "1.03" in found.split("geometry")[1]


def test_nothing_to_see_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, shifts, context = run(tmp_path, monkeypatch, phase_rad=0.0, angles=33)
    assert "REGISTER-02" in {notice.code for notice in context.notices}
    assert np.abs(shifts.shifts_px).max() < 20


def test_a_large_shift_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"every_angles": 8, "search_px": 4.0}
    _, _, context = run(tmp_path, monkeypatch, shift_px=14.0, angles=33, seed=3, params=params)
    assert {"REGISTER-02", "REGISTER-03"} & {notice.code for notice in context.notices}


class Broken(ArrayFrames):
    """Frames of which one cannot be read."""

    def read(self, index: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        if index == 1:
            raise files.TRUNCATED.error(self.label(index), "It has 10 of 100 bytes.")
        return super().read(index, out)


def test_a_spoilt_frame_spoils_its_distance_only() -> None:
    scan = Scan(ScanSimulation(width_px=128, height_px=48, angles=3, flats=4, phase_rad=1.0))
    images = [np.array([scan.frame(d, a) for a in range(3)]) for d in range(4)]
    images[2][2] = 0
    frames = [ArrayFrames(images[0]), Broken(images[1]), *map(ArrayFrames, images[2:])]
    correctors = [Divide(scan, d) for d in range(4)]
    measurer = AnchorMeasurer(layout_of(scan), frames, correctors, RegisterParams())
    whole, cut, blank = (measurer.measure(angle) for angle in range(3))
    assert whole.usable.all()
    assert whole.fault == ""
    assert cut.usable.tolist() == [True, False, True, True]
    assert "10 of 100 bytes" in cut.fault
    assert blank.usable.tolist() == [True, True, False, True]
    assert "blank" in blank.fault


def test_one_distance_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, shifts, _ = run(tmp_path, monkeypatch, distances_m=(0.073,), angles=9)
    assert values["anchors"] == 0
    assert shifts.shifts_px.shape == (9, 1, 2)
    assert not shifts.shifts_px.any()


def test_magnifications_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    layout = layout_of(Scan(ScanSimulation(width_px=32, height_px=8, angles=2, flats=1)))
    with pytest.raises(TomolineError) as caught:
        magnifications(layout, RegisterParams(magnification=(1.0, 1.1)))
    assert caught.value.code == "REGISTER-06"
