"""What every file format promises: recognised, read whole or refused with a coded error."""

import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ole_file import write_ole, zeiss_streams

from tomoline.errors import TomolineError
from tomoline.files import (
    FORMATS,
    OTHER_FORMATS,
    Format,
    adoc,
    angles,
    fiducial_points,
    imod_model,
    mrc,
    probe,
    residuals,
    transforms,
    zfactors,
)
from tomoline.geometry import identity_transforms

TEXT_FORMATS = {
    "angles", "transforms", "residuals", "Z factors", "fiducial points", "autodoc", "command file",
    "HiTT parameters",
}  # fmt: skip


def write_sample(name: str, path: Path) -> None:
    """Write a small whole file of the named format."""
    points = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    numbers = np.array([1, 2])
    if name == "MRC":
        with mrc.MrcWriter(path, (3, 4, 5), titles=("a title",)) as out:
            out.write(0, np.arange(60, dtype=np.float32).reshape(3, 4, 5))
    elif name == "TIFF":
        tifffile.imwrite(
            path, np.arange(60, dtype=np.uint16).reshape(3, 4, 5), photometric="minisblack"
        )
    elif name == "angles":
        angles.write(path, [-60.0, 0.0, 60.0])
    elif name == "transforms":
        transforms.write(path, identity_transforms(3))
    elif name == "residuals":
        residuals.write(path, residuals.Residuals(points[:, :2], numbers, points[:, 1:]))
    elif name == "Z factors":
        zfactors.write(path, points[:, :2])
    elif name == "fiducial points":
        solved = fiducial_points.FiducialPoints(points, numbers, numbers, 1.1, (40, 50))
        fiducial_points.write(path, solved)
    elif name == "IMOD model":
        part = imod_model.ModelObject((imod_model.Contour(points),), name="beads")
        imod_model.write(path, imod_model.Model((part,), (40, 50, 60), 1.1))
    elif name == "mdoc":
        path.write_text("PixelSpacing = 5.4\n\n[ZValue = 0]\nTiltAngle = 1.5\n")
    elif name == "autodoc":
        adoc.write(path, [("setupset.copyarg.gold", "10"), ("comparam.tilt.tilt.LOG", "")])
    elif name == "command file":
        path.write_text("# a comment\n$tilt -StandardInput\nMODE 1\n")
    elif name == "HiTT parameters":
        path.write_text("ENERGY = 18\nDISTANCES = 0.07, 0.09,\nPREFIX = a_, b_\n")
    elif name == "HDF5 scan":
        with h5py.File(path, "w") as file:
            file["exchange/data"] = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
            file["exchange/theta"] = [0.0, 60.0, 120.0]
    elif name == "Zeiss scan":
        frames = [np.arange(20, dtype=np.uint16).tobytes()] * 3
        write_ole(path, zeiss_streams(frames, 4, 5, 5))
    else:
        raise NotImplementedError(f"give format {name} a sample here")


@pytest.fixture(params=FORMATS, ids=lambda format_: format_.name)
def format_(request: pytest.FixtureRequest) -> Format:
    return request.param


class TestFormat:
    """The contract, run for every row of the table."""

    @pytest.fixture
    def sample(self, format_: Format, tmp_path: Path) -> Path:
        path = tmp_path / ("sample" + format_.suffixes[0])
        write_sample(format_.name, path)
        return path

    def test_is_described(self, format_: Format) -> None:
        assert format_.title
        assert all(s == s.lower() for s in format_.suffixes)
        assert [f.name for f in FORMATS].count(format_.name) == 1
        assert not set(format_.suffixes) & set(OTHER_FORMATS)

    def test_is_recognised_by_every_suffix(self, format_: Format, tmp_path: Path) -> None:
        for suffix in format_.suffixes:
            path = tmp_path / ("sample" + suffix)
            write_sample(format_.name, path)
            assert probe(path).format is format_

    def test_leaves_no_temporary_file(self, sample: Path) -> None:
        assert list(sample.parent.iterdir()) == [sample]

    def test_refuses_a_missing_file(self, format_: Format, tmp_path: Path) -> None:
        path = tmp_path / ("sample" + format_.suffixes[0])
        for reader in (probe, format_.probe):
            with pytest.raises(TomolineError) as caught:
                reader(path)
            assert caught.value.code == "FILE-01"

    def test_refuses_a_folder(self, format_: Format, tmp_path: Path) -> None:
        path = tmp_path / ("sample" + format_.suffixes[0])
        path.mkdir()
        for reader in (probe, format_.probe):
            with pytest.raises(TomolineError) as caught:
                reader(path)
            assert caught.value.code == "FILE-02"

    def test_refuses_an_empty_file(self, format_: Format, tmp_path: Path) -> None:
        path = tmp_path / ("sample" + format_.suffixes[0])
        path.write_bytes(b"")
        if format_.name == "autodoc":
            return  # a file without directives is a template that changes nothing
        with pytest.raises(TomolineError):
            probe(path)

    def test_a_cut_file_is_read_or_refused(self, format_: Format, sample: Path) -> None:
        whole = sample.read_bytes()
        step = max(1, len(whole) // 400)
        for length in range(0, len(whole), step):
            sample.write_bytes(whole[:length])
            self.read_or_refuse(format_, sample)

    def test_random_bytes_are_refused(self, format_: Format, tmp_path: Path) -> None:
        path = tmp_path / ("sample" + format_.suffixes[0])
        random = np.random.default_rng(zlib.crc32(format_.name.encode()))
        for length in (1, 7, 1024, 5000):
            path.write_bytes(random.bytes(length))
            self.read_or_refuse(format_, path)

    @settings(
        max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(data=st.data())
    def test_damage_is_read_or_refused(
        self, format_: Format, tmp_path: Path, data: st.DataObject
    ) -> None:
        path = tmp_path / ("damaged" + format_.suffixes[0])
        write_sample(format_.name, path)
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(raw)
        self.read_or_refuse(format_, path)

    @staticmethod
    def read_or_refuse(format_: Format, path: Path) -> None:
        refusal = None
        try:
            format_.probe(path)
        except TomolineError as error:
            refusal = error
        assert refusal is None or (refusal.found and refusal.remedy)


@pytest.mark.parametrize("name", sorted(TEXT_FORMATS))
def test_text_that_is_not_utf8_is_named_by_line(name: str, tmp_path: Path) -> None:
    (format_,) = (row for row in FORMATS if row.name == name)
    path = tmp_path / ("sample" + format_.suffixes[0])
    write_sample(name, path)
    lines = path.read_bytes().count(b"\n")
    with path.open("ab") as stream:
        stream.write(b"caf\xe9\n")
    with pytest.raises(TomolineError, match=f"Line {lines + 1} ") as caught:
        probe(path)
    assert caught.value.code == "FILE-06"


def test_contents_decide_where_the_name_does_not(tmp_path: Path) -> None:
    for name in ("MRC", "TIFF", "IMOD model"):
        path = tmp_path / name.replace(" ", "")
        write_sample(name, path)
        assert probe(path).format.name == name


def test_unknown_formats_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.aln"
    path.write_text("# AreTomo Alignment\n")
    with pytest.raises(TomolineError, match="AreTomo") as caught:
        probe(path)
    assert caught.value.code == "FILE-07"


REFUSED_IN_PROJECTS = {
    "headerTest.st": "FILE-03",  # a header without its image
    "mediumscansb2_midas.xf": "FILE-05",
    "midzone2alocal.xf": "FILE-05",
    "midzone2alocal_patch-tracking.xf": "FILE-05",
    "midzone2blocal.xf": "FILE-05",
}


def test_every_real_file_is_read_or_refused_with_the_right_reason(tilt_data: Path) -> None:
    read = 0
    for path in sorted(tilt_data.rglob("*")):
        if not path.is_file():
            continue
        if path.suffix in OTHER_FORMATS:
            expected = "FILE-07"
        else:
            expected = REFUSED_IN_PROJECTS.get(path.name, "")
        try:
            probe(path)
            code = ""
            read += 1
        except TomolineError as error:
            code = error.code
        assert code == expected, path
    assert read > 150
