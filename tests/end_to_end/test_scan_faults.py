"""Scans with faults: a coded error or warning with a remedy, nothing silently wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command import shown, succeed, tomoline, values


@pytest.fixture
def scan(small_scan: Path, tmp_path: Path) -> Path:
    """A copy of the small scan that a test may spoil."""
    folder = tmp_path / "input"
    shutil.copytree(small_scan.parent, folder)
    return folder / small_scan.name


def fails(*arguments: str | Path, code: str) -> str:
    """Run a command that must fail with a code of the given area, and return what it said."""
    done = tomoline(*arguments)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert code in done.stderr, said
    assert "remedy:" in done.stderr
    assert "Traceback" not in said
    return done.stderr


def edit(parameters: Path, change: Callable[[str], str]) -> None:
    parameters.write_text(change(parameters.read_text()))


def frames(parameters: Path, prefix: str) -> list[Path]:
    found = sorted(parameters.parent.glob(f"{prefix}*.tif*"))
    assert found
    return found


def warnings_of(document: dict) -> str:
    return "\n".join(f"{one['code']} {one['where']} {one['found']}" for one in document["warnings"])


def test_missing_truncated_blank_and_damaged_frames_are_left_out_and_named(scan: Path) -> None:
    first = frames(scan, f"{scan.stem}_d1_1_")
    second = frames(scan, f"{scan.stem}_d2_1_")
    first[10].unlink()
    os.truncate(first[20], 1000)
    tifffile.imwrite(second[30], np.zeros_like(tifffile.imread(second[30])))
    second[40].write_bytes(b"not a TIFF file")
    succeed("run", scan)
    document = shown(scan.parent / scan.stem)
    assert document["state"] == "finished"
    said = warnings_of(document)
    for path in (first[10], first[20], second[30], second[40]):
        assert path.name in said or str(int(path.stem[-5:])) in said, said
    excluded = set(values(document, "scan")["excluded_frames"])
    excluded |= set(map(int, values(document, "retrieve")["excluded"]))
    assert excluded == {11, 21, 31, 41}


def test_frames_of_another_size(scan: Path) -> None:
    path = frames(scan, f"{scan.stem}_d1_1_")[5]
    tifffile.imwrite(path, tifffile.imread(path)[:, :-8])
    succeed("run", scan)
    assert path.name in warnings_of(shown(scan.parent / scan.stem))


def test_a_distance_of_another_size(scan: Path) -> None:
    for path in frames(scan, f"{scan.stem}_d2_1_"):
        tifffile.imwrite(path, tifffile.imread(path)[:, :-8])
    fails("run", scan, code="SCAN-")


def test_a_distance_that_is_not_there(scan: Path) -> None:
    for path in frames(scan, f"{scan.stem}_d2_1_"):
        path.unlink()
    assert f"{scan.stem}_d2_1_" in fails("run", scan, code="SCAN-")


def test_fewer_flats_than_are_averaged(scan: Path) -> None:
    for path in frames(scan, f"ff_{scan.stem}_d1_1_")[2:]:
        path.unlink()
    succeed("run", scan)
    assert "FLATS-" in warnings_of(shown(scan.parent / scan.stem))


def test_no_flats(scan: Path) -> None:
    for path in scan.parent.glob(f"ff_{scan.stem}*"):
        path.unlink()
    done = tomoline("run", scan)
    assert "Traceback" not in done.stderr
    assert "FLATS-" in done.stderr or "SCAN-" in done.stderr


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda text: text.replace("ENERGY= 18", "ENERGIE= 18"), "ENERGY"),
        (lambda text: text.replace("ENERGY= 18", "ENERGY= 18000"), "keV"),
        (lambda text: text.replace("DISTANCES= 0.073", "DISTANCES= 73"), " m"),
        (lambda text: text.replace("DISTANCES= 0.073", "DISTANCES= 0.1, 0.073"), "DISTANCES"),
        (lambda text: text.replace("PIXELSIZE= 0.65", "PIXELSIZE= 650"), "PIXELSIZE"),
        (lambda text: text + "ENERGY = 20\n", "ENERGY"),
    ],
)
def test_parameter_files_with_faults(scan: Path, change: Callable[[str], str], word: str) -> None:
    before = scan.read_text()
    edit(scan, change)
    assert scan.read_text() != before
    assert word in fails("run", scan, code="SCAN-")
    checked = tomoline("check", scan)
    assert checked.returncode == 1
    assert "SCAN-" in checked.stdout
    assert word in checked.stdout


def test_an_axis_at_the_edge_of_the_search_range(scan: Path) -> None:
    found = values(shown_after(scan, "--until", "axis"), "axis")["rotation_axis_px"]
    document = shown_after(
        scan,
        "--until",
        "axis",
        "--set",
        f"axis.guess_px={found - 8:g}",
        "--set",
        "axis.search_px=4",
    )
    again = values(document, "axis")["rotation_axis_px"]
    assert "AXIS-" in warnings_of(document)
    assert abs(again - found) < 0.5 or values(document, "axis")["confidence"] < 0.5


def shown_after(scan: Path, *options: str) -> dict:
    succeed("run", scan, *options)
    return shown(scan.parent / scan.stem)


def test_a_file_that_is_no_scan(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("milk, bread\n")
    fails("run", path, code="")
    (tmp_path / "empty.h5").write_bytes(b"")
    fails("run", tmp_path / "empty.h5", code="FILE-")
    (tmp_path / "text.h5").write_text("no HDF5")
    fails("run", tmp_path / "text.h5", code="FILE-")
