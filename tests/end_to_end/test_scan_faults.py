"""Scans with faults: a coded error or warning with a remedy, nothing silently wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command import COMMAND, shown, succeed, tomoline, values


@pytest.fixture
def scan(small_scan: Path, tmp_path: Path) -> Path:
    """A copy of the small scan that a test may spoil."""
    folder = tmp_path / "input"
    shutil.copytree(small_scan.parent, folder)
    return folder / small_scan.name


def fails(*arguments: str | Path, code: str, prefix: tuple[str, ...] = ()) -> str:
    """Run a command that must fail with a code of the given area, and return what it said."""
    done = tomoline(*arguments, prefix=prefix)
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


def test_keys_of_other_programs_are_named_and_passed_over(scan: Path) -> None:
    edit(scan, lambda text: text + "GPU-QUEUE = 3\n")
    succeed("run", scan, "--until", "scan")
    assert "GPU-QUEUE" in warnings_of(shown(scan.parent / scan.stem))
    checked = tomoline("check", scan)
    assert checked.returncode == 0
    assert "SCAN-24" in checked.stdout


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        (("scan.step_deg=0",), "SCAN-15"),
        (("scan.step_deg=1e6",), "SCAN-15"),
        (("scan.distances_m=73,92",), "SCAN-04"),
        (("scan.pixel_size_um=650",), "SCAN-04"),
        (("scan.region=40,4,1,16",), "SCAN-25"),
        (("scan.region=0,0,97,24",), "SCAN-16"),
        (("scan.exclude_frames=0,77",), "SCAN-23"),
    ],
)
def test_settings_that_do_not_fit_the_scan(
    scan: Path, settings: tuple[str, ...], code: str
) -> None:
    fails("run", scan, *(word for one in settings for word in ("--set", one)), code=code)


def test_padding_that_no_memory_holds(scan: Path) -> None:
    edit(scan, lambda text: text.replace("PADDING= 16", "PADDING= 100000"))
    assert "PADDING" in fails("run", scan, code="PARAM-02")


def test_a_row_of_pixels_and_a_side_for_half_a_turn_are_told_of(scan: Path) -> None:
    succeed("run", scan, "--set", "scan.region=0,4,96,1", "--set", "axis.side=left")
    said = warnings_of(shown(scan.parent / scan.stem))
    assert "1 rows are too low" in said
    assert "AXIS-12" in said


def test_a_parameter_file_of_any_name(scan: Path) -> None:
    named = scan.rename(scan.with_name("mein Scan #1 (größer).txt"))
    succeed("run", named, "--until", "scan")
    assert shown(scan.parent / "mein Scan #1 (größer)")["artifacts"]
    bare = named.rename(scan.with_name("bare"))
    assert "--root" in fails("run", bare, "--until", "scan", code="FILE-09")
    succeed("run", bare, "--until", "scan", "--root", "other")


def test_places_that_are_not_there(scan: Path, tmp_path: Path) -> None:
    fails("run", scan, "--scratch", tmp_path / "none", code="PARAM-06")
    fails("run", scan, "--memory", "1K", code="RUN-01")
    (tmp_path / "empty").mkdir()
    fails("run", tmp_path / "empty", code="RUN-05")
    fails("run", tmp_path / "empty", "--follow", "--patience", "0.5", code="RUN-09")
    fails("run", tmp_path / "soon.par", "--follow", "--patience", "0.5", code="RUN-09")


def test_a_stopped_follow_leaves_nothing(scan: Path) -> None:
    for path in frames(scan, f"{scan.stem}_d2_1_")[40:]:
        path.unlink()
    folder = scan.parent / scan.stem
    waiting = subprocess.Popen(
        [*COMMAND, "run", str(scan), "--follow"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    until = time.monotonic() + 60
    while not (folder / f".{scan.stem}.following").exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(1.0)
    waiting.send_signal(signal.SIGINT)
    said = waiting.communicate(timeout=60)[0].decode()
    assert waiting.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    left = [path.name for path in folder.rglob("*") if not path.name.endswith(".lock")]
    assert left == []


def _on_disk(folder: Path, size_kib: int) -> tuple[str, ...]:
    """Return a prefix that runs a command with a small disk mounted, which only it sees."""
    folder.mkdir()
    unshare = shutil.which("unshare")
    probe = [unshare or "false", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting in a namespace of its own is not allowed here")
    script = f"mount -t tmpfs -o size={size_kib}k none '{folder}' && exec \"$@\""
    return ("unshare", "-rm", "sh", "-c", script, "sh")


@pytest.mark.parametrize("size_kib", [16, 60, 250, 600, 1100])
def test_a_full_disk_at_any_step(scan: Path, tmp_path: Path, size_kib: int) -> None:
    prefix = _on_disk(tmp_path / "out", size_kib)
    said = fails("run", scan, "--deliver", tmp_path / "out", code="FILE-08", prefix=prefix)
    assert "FILE-09" not in said


def test_a_disk_that_corrected_frames_fill(scan: Path, tmp_path: Path) -> None:
    prefix = _on_disk(tmp_path / "out", 1000)
    said = fails(
        "run",
        scan,
        "--deliver",
        tmp_path / "out",
        "--set",
        "retrieve.corrected_frames=yes",
        code="FILE-08",
        prefix=prefix,
    )
    assert ".part" not in said
