"""The step `retrieve` on a small folder of TIFF files: what it writes, and what it leaves out."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile

from tomoline.engine import ThreadsEngine
from tomoline.errors import TomolineError
from tomoline.files.frames import FrameLocation
from tomoline.files.open_frames import open_frames
from tomoline.files.sinograms import FileSinograms, MemorySinograms
from tomoline.simulate.scan import Scan, simulate_scan, tiny_scan
from tomoline.steps import _retriever
from tomoline.steps._retrieval import Retrieval
from tomoline.steps._shifts import Shifts
from tomoline.steps.flats import FLATS, FlatsParams
from tomoline.steps.retrieve import RETRIEVE, RetrieveParams
from tomoline.steps.scan import SCAN, ScanParams
from tomoline.steps.scan_layout import ScanHints, ScanLayout

HEIGHT, WIDTH, ANGLES = 40, 64, 11
LEVEL = 5000.0


class Level:
    """A corrector that divides by a level, and tells empty frames."""

    memory_bytes = 0

    def fault(self, raw):  # type: ignore[no-untyped-def]
        return "the frame is blank" if not raw.any() else None

    def choose(self, raw):  # type: ignore[no-untyped-def]
        return SimpleNamespace(indices=(0, 2), scores=np.array([0.5, 0.1, 1.0], np.float32))

    def correct(self, raw, choice, time, out) -> int:  # type: ignore[no-untyped-def]
        np.divide(raw, np.float32(LEVEL), out=out)
        return 2


class Context:
    """A step's context on a folder."""

    def __init__(self, folder: Path, threads: int = 1, in_file: bool = False) -> None:
        self.folder = folder
        self.source = folder / "sim.par"
        self.root = "sim"
        self.engine = ThreadsEngine(threads, 1 << 28)
        self.notices: list[Any] = []
        self.in_file = in_file
        self.store: Any = None

    def has(self, artifact: str) -> bool:
        return (self.folder / artifact).exists()

    def input(self, artifact: str) -> Path:
        return self.folder / artifact

    @contextmanager
    def writing(self, artifact: str, *, suffix: str = "", folder: bool = False):  # type: ignore[no-untyped-def]
        path = self.folder / artifact
        if folder:
            path.mkdir()
        yield path

    def create_sinograms(self, artifact: str, shape: tuple[int, int, int]) -> Any:
        assert artifact == "projections"
        path = self.folder / "scratch"
        self.store = FileSinograms(path, shape) if self.in_file else MemorySinograms(shape)
        return self.store

    def warn(self, notice) -> None:  # type: ignore[no-untyped-def]
        self.notices.append(notice)

    def log(self, message: str) -> None:
        pass

    def recall(self, name: str) -> None:
        """Nothing was prepared."""

    def projections(self) -> np.ndarray[Any, Any]:
        return np.array(self.store.read_rows(0, self.store.shape[0])).transpose(1, 0, 2)


@pytest.fixture
def scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScanLayout:
    """Two distances of frames with noise, and a layout; flats are a level."""
    rng = np.random.default_rng(5)
    locations = []
    for distance in range(2):
        folder = tmp_path / f"d{distance}"
        folder.mkdir()
        names = tuple(f"f{n:03d}.tif" for n in range(ANGLES))
        for name in names:
            frame = LEVEL * (1 + 0.05 * rng.normal(size=(HEIGHT, WIDTH)))
            tifffile.imwrite(folder / name, frame.astype(np.uint16))
        locations.append(FrameLocation("tiff_files", str(folder), HEIGHT, WIDTH, "<u2", names))
    layout = ScanLayout(
        root="scan",
        source_format="HiTT",
        height_px=HEIGHT,
        width_px=WIDTH,
        angles_deg=tuple(np.linspace(0, 180, ANGLES)),
        angles_source="test",
        projections=tuple(locations),
        flats=(None, None),
        darks=(None, None),
        energy_kev=18.0,
        pixel_size_um=0.65,
        distances_m=(0.073, 0.092),
        hints=ScanHints(beta_over_delta=0.1),
    )
    layout.write(tmp_path / "scan_layout")

    def opened(cls, layout, flat_fields, shifts, params, keep=None, memory=None):  # type: ignore[no-untyped-def]
        frames = [open_frames(location) for location in layout.projections]
        return cls(layout, [Level(), Level()], frames, shifts, params, keep)

    monkeypatch.setattr(_retriever.Retriever, "open", classmethod(opened))
    return layout


def expected(layout: ScanLayout, shifts: Shifts | None = None) -> np.ndarray[Any, Any]:
    made = _retriever.Retriever.open(layout, Path(), shifts, RetrieveParams())
    return np.stack([made.retrieve(angle).projection.copy() for angle in range(ANGLES)])


@pytest.mark.parametrize(("threads", "in_file"), [(1, False), (3, False), (2, True)])
def test_all_projections_are_stored_whatever_the_store_and_the_threads(
    scan, tmp_path, threads, in_file
) -> None:
    shifts = Shifts(np.tile([[0.0, 0.0], [1.5, -0.5]], (ANGLES, 1, 1)), (1.0, 1.0))
    shifts.write(tmp_path / "shifts")
    context = Context(tmp_path, threads, in_file)
    values = RETRIEVE.run(RetrieveParams(), context)
    np.testing.assert_array_equal(context.projections(), expected(scan, shifts))
    assert context.notices == []
    assert json.loads(json.dumps(values)) == values
    assert (values["method"], values["unit"], values["distances"]) == ("ict", "rad", 2)
    assert (values["padded_height_px"], values["padded_width_px"]) == (72, 96)
    assert (values["projections"], values["zingers"]) == (ANGLES, 2 * 2 * ANGLES)
    assert values["mean_flat_score"] == pytest.approx([0.75, 0.75])
    retrieval = Retrieval.read(tmp_path / "retrieval")
    assert retrieval.excluded == {}
    assert retrieval.delta_per_unit == values["delta_per_rad"]
    with np.load(tmp_path / "flat_choice") as kept:
        assert kept["scores"].shape == (2, ANGLES, 3)
        assert (kept["chosen"] == [0, 2]).all()


def test_bad_frames_are_left_out_and_named(scan, tmp_path) -> None:
    good = expected(scan)
    replace(scan, excluded={3: "missing"}).write(tmp_path / "scan_layout")
    first, second = tmp_path / "d0", tmp_path / "d1"
    (second / "f001.tif").write_bytes((second / "f001.tif").read_bytes()[:3000])
    context = Context(tmp_path)
    values = RETRIEVE.run(RetrieveParams(), context)
    assert list(values["excluded"]) == ["2"]
    assert [notice.code for notice in context.notices] == ["RETRIEVE-04"]
    assert "projection 2 (" in context.notices[0].found
    assert "f001.tif" in context.notices[0].found
    found = context.projections()
    good[[1, 3]] = 0.0
    np.testing.assert_array_equal(found, good)
    retrieval = Retrieval.read(tmp_path / "retrieval")
    assert list(retrieval.excluded) == [1]
    with np.load(tmp_path / "flat_choice") as kept:
        assert (kept["chosen"][:, [1, 3]] == -1).all()
        assert np.isnan(kept["scores"][:, [1, 3]]).all()
    # A third bad one is more than a fifth of eleven.
    tifffile.imwrite(first / "f009.tif", np.zeros((HEIGHT, WIDTH), np.uint16))
    with pytest.raises(TomolineError) as raised:
        RETRIEVE.run(RetrieveParams(), Context(tmp_path))
    assert raised.value.code == "RETRIEVE-03"
    assert "3 of 11" in raised.value.found
    assert "f009.tif" in raised.value.found


def test_a_faulty_frame_does_not_change_its_neighbours_in_another_block_size(
    scan, tmp_path
) -> None:
    """One angle at a time, because there is little memory, gives the same."""
    context = Context(tmp_path)
    context.engine = ThreadsEngine(1, 8 * 300_000)
    RETRIEVE.run(RetrieveParams(), context)
    np.testing.assert_array_equal(context.projections(), expected(scan))


def test_memory_of_a_chunk_is_bounded_from_above(scan, tmp_path) -> None:
    from tomoline.steps import Shape

    made = _retriever.Retriever.open(scan, Path(), None, RetrieveParams(padding_px=200))
    bound = RETRIEVE.memory_bytes(Shape(ANGLES, HEIGHT, WIDTH), RetrieveParams())
    assert made.bytes_per_call + 4 * 4 * HEIGHT * WIDTH <= bound


def test_a_simulated_scan_with_its_flats_becomes_its_phase(tmp_path) -> None:
    """Nothing is replaced here: frames, darks, flats and correction are the real ones."""
    settings = tiny_scan(
        width_px=128,
        height_px=64,
        angles=12,
        darks=3,
        shift_px=0.0,
        stripe_drift_px=0.0,
        blank_frames=1,
    )
    simulate_scan(tmp_path, "sim", settings)
    context = Context(tmp_path, threads=2)
    SCAN.run(ScanParams(), context)
    FLATS.run(FlatsParams(), context)
    values = RETRIEVE.run(RetrieveParams(corrected_frames=True), context)
    truth = Scan(settings)
    blank = truth.truth.bad_frames[0].angle
    assert list(values["excluded"]) == [str(blank + 1)]
    layout = ScanLayout.read(tmp_path / "scan_layout")
    taking_part = Retrieval.read(tmp_path / "retrieval").taking_part(layout)
    assert np.flatnonzero(~taking_part).tolist() == [blank]
    found = context.projections()
    for angle in np.flatnonzero(taking_part):
        phase = truth.projection(int(angle))
        # The beam changes by a percent as a whole, which adds a constant to the projection.
        assert np.corrcoef(found[angle].ravel(), phase.ravel())[0, 1] > 0.98
        assert np.polyfit(phase.ravel(), found[angle].ravel(), 1)[0] == pytest.approx(1, abs=0.03)
    frame = 1 if blank == 0 else 0
    with (
        tifffile.TiffFile(
            tmp_path / "corrected_frames" / "distance2" / f"frame_{frame + 1:05d}.tif"
        ) as tiff,
        np.load(tmp_path / "flat_choice") as kept,
    ):
        tags = tiff.pages[0].tags
        scores = [float(score) for score in tags[1200].value.split(",")]
        chosen = [int(place) for place in tags[1201].value.split(",")]
        np.testing.assert_allclose(scores, kept["scores"][1, frame], atol=1e-6)
        assert chosen == [place for place in kept["chosen"][1, frame] if place >= 0]
        image = tiff.asarray()
    assert image.dtype == np.float32
    ideal = truth.intensity(1, frame)
    assert np.corrcoef(image.ravel(), ideal.ravel())[0, 1] > 0.8
    assert image.mean() == pytest.approx(ideal.mean(), abs=0.03)
