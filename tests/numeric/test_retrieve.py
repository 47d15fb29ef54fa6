"""The step that makes projections, on small scans whose phase is known."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline.errors import TomolineError, files
from tomoline.files.frames import ArrayFrames, FrameLocation
from tomoline.steps._retrieval import Retrieval
from tomoline.steps._retrieval_plan import RetrieveParams, settle
from tomoline.steps._retriever import BadFrameError, Retriever
from tomoline.steps._shifts import Shifts
from tomoline.steps.scan_layout import ScanHints, ScanLayout

HEIGHT, WIDTH, ANGLES = 96, 128, 6
DISTANCES = (0.073, 0.079, 0.085, 0.092)
RATIO = 0.1
COUNTS = 8000.0
SHIFTS = np.array([[0.0, 0.0], [1.3, -0.4], [-2.0, 0.7], [0.5, 2.2]])


def layout_of(distances: Sequence[float] = DISTANCES, **others: Any) -> ScanLayout:
    location = FrameLocation(
        "tiff_files", ".", HEIGHT, WIDTH, "<u2", tuple(f"{n}.tif" for n in range(ANGLES))
    )
    settings: dict[str, Any] = {
        "root": "scan",
        "source_format": "HiTT",
        "height_px": HEIGHT,
        "width_px": WIDTH,
        "angles_deg": tuple(np.linspace(0, 180, ANGLES)),
        "angles_source": "test",
        "projections": (location,) * max(len(distances), 1),
        "flats": (None,) * max(len(distances), 1),
        "darks": (None,) * max(len(distances), 1),
        "energy_kev": 18.0,
        "pixel_size_um": 0.65,
        "distances_m": tuple(distances),
        "hints": ScanHints(beta_over_delta=RATIO, zero_compensation=0.01, padding_px=20),
    }
    return ScanLayout(**(settings | others))


def phase_at(angle: int, scale: float = 1.0) -> NDArray[np.float64]:
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    y, x = (y - (HEIGHT - 1) / 2) / scale, (x - (WIDTH - 1) / 2) / scale
    wide = np.exp(-((x - 4 * angle + 8) ** 2 + (y + 6) ** 2) / (2 * 7.0**2))
    # A fine one far from the middle shows what is moved or magnified wrongly.
    fine = np.exp(-((x - 38) ** 2 + (y - 28) ** 2) / (2 * 2.5**2))
    return np.asarray(0.2 * wide + 0.1 * fine)


def image_of(
    phase: NDArray[np.float64],
    distance_m: float,
    pixel_m: float = 0.65e-6,
    shift: Sequence[float] = (0.0, 0.0),
) -> NDArray[np.float64]:
    """Propagate exactly, and move by minus the shift that is to be applied."""
    q_y, q_x = np.fft.fftfreq(HEIGHT)[:, None], np.fft.fftfreq(WIDTH)[None, :]
    chi = np.pi * 1.239841984e-9 / 18.0 * distance_m * (q_y**2 + q_x**2) / pixel_m**2
    wave = np.fft.fft2(np.exp(-(1j + RATIO) * phase)) * np.exp(-1j * chi)
    image = np.abs(np.fft.ifft2(wave)) ** 2
    moved = np.fft.fft2(image) * np.exp(2j * np.pi * (q_y * shift[0] + q_x * shift[1]))
    return np.asarray(np.fft.ifft2(moved).real)


def counts(distances: Sequence[float] = DISTANCES) -> list[NDArray[np.uint16]]:
    """Return the frames of each distance, (angles, y, x), without noise."""
    return [
        np.array(
            [
                np.round(COUNTS * image_of(phase_at(angle), distance, shift=shift))
                for angle in range(ANGLES)
            ]
        ).astype(np.uint16)
        for distance, shift in zip(distances, SHIFTS, strict=False)
    ]


class Level:
    """A corrector that divides by a level, and tells empty frames."""

    def __init__(self, level: float = COUNTS) -> None:
        self.level = level

    memory_bytes = 0

    def fault(self, raw: NDArray[Any]) -> str | None:
        return "the frame is blank." if not raw.any() else None

    def choose(self, raw: NDArray[Any]) -> Any:
        return SimpleNamespace(indices=(1,), scores=np.array([0.25, 0.75], np.float32))

    def correct(self, raw, choice, time, out) -> int:  # type: ignore[no-untyped-def]
        np.divide(raw, np.float32(self.level), out=out)
        return 2


class Broken(ArrayFrames):
    """Frames of which one cannot be read."""

    def read(self, index: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        if index == 2:
            raise files.TRUNCATED.error(self.label(index), "It has 10 of 100 bytes.")
        return super().read(index, out)


def retriever(
    images: Sequence[NDArray[Any]] | None = None,
    shifts: Shifts | None = None,
    layout: ScanLayout | None = None,
    kind: type[ArrayFrames] = ArrayFrames,
    keep: Any = None,
    **params: Any,
) -> Retriever:
    images = counts() if images is None else images
    return Retriever(
        layout or layout_of(DISTANCES[: len(images)]),
        [Level() for _ in images],
        [kind(image) for image in images],
        shifts,
        RetrieveParams(**params),
        keep,
    )


def worst(found: NDArray[np.float32], truth: NDArray[np.float64]) -> float:
    """Return the largest error, as a part of the largest phase."""
    return float(np.abs(found - truth).max() / truth.max())


def moved() -> Shifts:
    return Shifts(np.tile(SHIFTS, (ANGLES, 1, 1)), (1.0,) * 4)


def test_frames_of_four_distances_give_the_phase() -> None:
    made = retriever(shifts=moved())
    for angle in (0, 3):
        got = made.retrieve(angle)
        truth = phase_at(angle)
        assert got.projection.dtype == np.float32
        assert worst(got.projection, truth) < 0.03
        assert [choice.indices for choice in got.choices] == [(1,)] * 4
    unmoved = retriever().retrieve(3).projection
    assert worst(unmoved, phase_at(3)) > 0.1


def test_an_angle_gives_the_same_bytes_in_any_order_and_on_any_thread() -> None:
    made = retriever(shifts=moved())
    one_by_one = [made.retrieve(angle).projection.copy() for angle in range(ANGLES)]
    again = retriever(shifts=moved())
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda a: again.retrieve(a).projection, reversed(range(ANGLES))))
    for first, second in zip(one_by_one, reversed(results), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_failed_angle_leaves_nothing_behind() -> None:
    images = counts()
    expected = retriever(images).retrieve(3).projection
    made = retriever(images, kind=Broken)
    with pytest.raises(BadFrameError, match=r"frame 3: It has 10 of 100 bytes"):
        made.retrieve(2)
    np.testing.assert_array_equal(made.retrieve(3).projection, expected)


def test_a_blank_frame_is_named() -> None:
    images = counts()
    images[1][4] = 0
    with pytest.raises(BadFrameError, match="frame 5: the frame is blank"):
        retriever(images).retrieve(4)


def test_what_is_not_finite_does_not_get_out() -> None:
    images = [image.astype(np.float32) for image in counts()]
    images[2][1, 5, 5] = np.nan
    with pytest.raises(TomolineError) as raised:
        retriever(images).retrieve(1)
    assert raised.value.code == "RETRIEVE-07"


def test_absorption_is_the_logarithm_of_the_first_distance() -> None:
    images = counts()
    made = retriever(images, layout=layout_of((), projections=layout_of().projections))
    assert made.plan.method == "none"
    np.testing.assert_allclose(
        made.retrieve(2).projection, -np.log(images[0][2] / np.float32(COUNTS)), atol=1e-6
    )
    kept = made.describe({2: "blank"})
    assert (kept.quantity, kept.unit, kept.delta_per_unit) == ("absorption", "1", None)


def test_corrected_frames_are_handed_out() -> None:
    images, kept = counts(), {}
    made = retriever(images, keep=lambda d, a, frame, choice: kept.update({(d, a): frame.copy()}))
    made.retrieve(4)
    assert sorted(kept) == [(d, 4) for d in range(4)]
    np.testing.assert_allclose(kept[3, 4], images[3][4] / np.float32(COUNTS))


def test_a_cone_beam_is_as_a_parallel_one_of_effective_distances_and_pixels() -> None:
    source_m, at = 0.5, (0.073, 0.092)
    magnification = [1 + distance / source_m for distance in at]
    # In the specimen's plane: pixels of each distance, and what the beam has travelled.
    images = []
    for distance, by in zip(at, magnification, strict=True):
        # The object in pixels of this distance.
        relative = by / magnification[0]
        phase = phase_at(1, relative)
        images.append(
            np.round(COUNTS * image_of(phase, distance / by, 0.65e-6 / by))[None].astype(np.uint16)
        )
    layout = layout_of(at, source_distance_m=source_m)
    frames = [np.repeat(image, ANGLES, axis=0) for image in images]
    made = retriever(frames, layout=layout)
    truth = phase_at(1)
    assert made.plan.pixel_size_um == pytest.approx(0.65 / magnification[0])
    assert worst(made.retrieve(0).projection, truth) < 0.03
    parallel = retriever(frames, layout=layout_of(at)).retrieve(0).projection
    assert worst(parallel, truth) > 0.1


def test_matter_that_goes_on_beyond_a_cone_beams_frame_has_no_border() -> None:
    """A slab that fills all frames is level, also where an image was made smaller."""
    at = (0.073, 0.092)
    frames = [np.full((ANGLES, HEIGHT, WIDTH), 0.9 * COUNTS, np.float32) for _ in at]
    found = retriever(frames, layout=layout_of(at, source_distance_m=0.3)).retrieve(1).projection
    np.testing.assert_allclose(found, -np.log(0.9) / (2 * RATIO), rtol=1e-4)


UNKNOWN = ScanHints()


@pytest.mark.parametrize(
    ("layout", "method", "codes"),
    [
        (layout_of(), "ict", []),
        (layout_of(hints=UNKNOWN), "ict", []),
        (layout_of(hints=ScanHints(beta_over_delta=0.0)), "ctf_pure_phase", []),
        (layout_of(DISTANCES[:1]), "paganin", []),
        (layout_of(DISTANCES[:1], hints=UNKNOWN), "none", []),
        (layout_of(DISTANCES[:1], hints=ScanHints(beta_over_delta=0.0)), "ctf_pure_phase", []),
        (layout_of(DISTANCES[:1], hints=UNKNOWN, energy_kev=None), "none", []),
        (layout_of(energy_kev=None), "none", ["RETRIEVE-05"]),
        (layout_of(hints=ScanHints(padding_px=1)), "ict", ["RETRIEVE-06"]),
    ],
)
def test_the_method_follows_from_what_is_known(layout, method, codes) -> None:
    plan, notices = settle(RetrieveParams(), layout)
    assert plan.method == method
    assert [notice.code for notice in notices] == codes


def test_parameters_go_before_hints_and_these_before_defaults() -> None:
    plan, _ = settle(RetrieveParams(), layout_of())
    assert (plan.beta_over_delta, plan.zero_compensation, plan.padding_px) == (RATIO, 0.01, 20)
    given = RetrieveParams(beta_over_delta=0.02, zero_compensation=0.0, padding_px=33)
    plan, _ = settle(given, layout_of())
    assert (plan.beta_over_delta, plan.zero_compensation, plan.padding_px) == (0.02, 0.0, 33)
    plan, _ = settle(RetrieveParams(), layout_of(hints=UNKNOWN))
    # A tenth of 128, or twice as far as the fringes reach, which are 8 pixels here.
    assert (plan.beta_over_delta, plan.zero_compensation, plan.padding_px) == (0.1, 0.1, 16)


@pytest.mark.parametrize(
    ("layout", "params", "code"),
    [
        (layout_of(energy_kev=None), {"method": "ctf"}, "RETRIEVE-01"),
        (layout_of(DISTANCES[:1], distances_m=()), {"method": "paganin"}, "RETRIEVE-01"),
        (layout_of(DISTANCES[:1]), {"method": "ctf_two_unknowns"}, "RETRIEVE-02"),
        (layout_of(), {"method": "ict", "beta_over_delta": 0.0}, "RETRIEVE-02"),
        (layout_of(), {"method": "ctf_pure_phase", "quantity": "absorption"}, "RETRIEVE-02"),
    ],
)
def test_what_does_not_fit_is_refused(layout, params, code) -> None:
    with pytest.raises(TomolineError) as raised:
        settle(RetrieveParams(**params), layout)
    assert raised.value.code == code


def test_the_artifact_tells_what_takes_part(tmp_path) -> None:
    layout = replace(layout_of(), excluded={0: "missing"})
    plan, _ = settle(RetrieveParams(), layout)
    Retrieval("phase", "rad", plan.delta_per_unit, 0.65, {4: "blank"}).write(tmp_path / "r.json")
    read = Retrieval.read(tmp_path / "r.json")
    assert read.taking_part(layout).tolist() == [False, True, True, True, False, True]
    wavelength_um = 1.239841984e-3 / 18.0
    assert read.delta_per_unit == pytest.approx(wavelength_um / (2 * np.pi * 0.65))
