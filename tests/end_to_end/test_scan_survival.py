"""Scans that are killed, followed, run again or run otherwise: the same bytes."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from command import content, shown, start, succeed, tomoline, values

KILLS = 5


@pytest.fixture(scope="module")
def undisturbed(small_scan: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The results of a run that nobody disturbed, and how long it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    succeed("run", small_scan, "--deliver", folder)  # compiles what is not compiled yet
    shutil.rmtree(folder / small_scan.stem)
    begin = time.monotonic()
    succeed("run", small_scan, "--deliver", folder, "--threads", "2")
    return folder / small_scan.stem, time.monotonic() - begin


@pytest.mark.parametrize("options", [("--threads", "1"), ("--memory", "150M")])
def test_threads_and_memory_do_not_change_the_bytes(
    small_scan: Path, undisturbed: tuple[Path, float], tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = tomoline("run", small_scan, "--deliver", tmp_path, *options)
    if "RUN-01" in done.stderr:
        pytest.fail(done.stderr)
    assert content(tmp_path / small_scan.stem) == content(undisturbed[0])


def test_a_second_run_does_nothing(undisturbed: tuple[Path, float]) -> None:
    again = succeed("run", undisturbed[0])
    assert again.stderr.count("up to date") == 8
    assert not list(undisturbed[0].glob(".*scratch"))


def test_killed_at_random_moments_it_ends_with_the_same_bytes(
    small_scan: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    rng = np.random.default_rng(7)
    for _ in range(KILLS):
        process = start("run", small_scan, "--deliver", tmp_path, "--memory", "150M")
        time.sleep(rng.uniform(0.3, 1.0) * undisturbed[1])
        process.send_signal(signal.SIGKILL)
        process.wait()
    succeed("run", small_scan, "--deliver", tmp_path, "--memory", "150M")
    assert content(tmp_path / small_scan.stem) == content(undisturbed[0])


def test_a_changed_filter_runs_only_what_depends_on_it(small_scan: Path, tmp_path: Path) -> None:
    succeed("run", small_scan, "--deliver", tmp_path)
    again = succeed("run", small_scan, "--deliver", tmp_path, "--set", "slices.filter=parzen")
    kept = [line.split()[1] for line in again.stderr.splitlines() if "up to date" in line]
    assert kept == ["scan", "flats", "register", "axis", "stitch"]


def test_changed_frames_are_noticed(small_scan: Path, tmp_path: Path) -> None:
    shutil.copytree(small_scan.parent, tmp_path / "input")
    source = tmp_path / "input" / small_scan.name
    succeed("run", source, "--deliver", tmp_path)
    frame = next(source.parent.glob(f"{source.stem}_d1_1_*"))
    tifffile.imwrite(frame, tifffile.imread(frame)[::-1])
    again = succeed("run", source, "--deliver", tmp_path)
    assert "up to date" not in again.stderr.split("retrieve")[0].split("scan")[0]
    assert any("retrieve" in line and "finished" in line for line in again.stderr.splitlines())


def test_followed_while_it_is_recorded(
    small_scan: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """Frames come one by one, under temporary names first; the parameter file comes first."""
    live = tmp_path / "live"
    live.mkdir()
    source = live / small_scan.name
    process = start("run", source, "--deliver", tmp_path, "--follow", "--patience", "30")
    time.sleep(1.0)
    shutil.copy(small_scan, live)
    names = sorted(path.name for path in small_scan.parent.glob("*.tif*"))
    for distance in (1, 2):
        of_distance = [name for name in names if f"_d{distance}_" in name]
        for name in sorted(of_distance, key=lambda name: not name.startswith("ff_")):
            temporary = live / f".{name}.tmp"
            shutil.copy(small_scan.parent / name, temporary)
            os.replace(temporary, live / name)
            time.sleep(0.01)
    assert process.wait(timeout=120) == 0
    found, expected = content(tmp_path / small_scan.stem), content(undisturbed[0])
    found.pop(f"{small_scan.stem}_scan.json")  # it names the folder of the frames
    expected.pop(f"{small_scan.stem}_scan.json")
    assert found == expected


def test_a_recording_that_ends_too_early(small_scan: Path, tmp_path: Path) -> None:
    shutil.copytree(small_scan.parent, tmp_path / "input")
    source = tmp_path / "input" / small_scan.name
    lost = sorted(source.parent.glob(f"{source.stem}_d2_1_*"))[50:]
    for path in lost:
        path.unlink()
    done = tomoline("run", source, "--deliver", tmp_path, "--follow", "--patience", "1")
    assert done.returncode == 1
    assert "RUN-09" in done.stderr
    assert lost[0].name in done.stderr
    assert "Traceback" not in done.stderr


def test_following_does_not_wait_for_a_misspelt_key_to_mend(tmp_path: Path) -> None:
    source = tmp_path / "live.par"
    source.write_text("ENERGIE = 18\nPREFIX = live_d1_\n")
    done = tomoline("run", source, "--follow", "--patience", "200")
    assert done.returncode == 1
    assert "SCAN-02" in done.stderr


@pytest.mark.parametrize("kind", ["float32", "uint16"])
@pytest.mark.parametrize("name", ["zarr", "tiff", "hdf5", "mrc"])
def test_every_format_holds_the_same_volume(
    small_scan: Path, undisturbed: tuple[Path, float], tmp_path: Path, name: str, kind: str
) -> None:
    shutil.copytree(undisturbed[0], tmp_path / "set")
    options = ("--set", f"output.format={name}", "--set", f"output.type={kind}")
    succeed("run", tmp_path / "set", *options)
    document = shown(tmp_path / "set")
    path = Path(document["artifacts"]["volume"])
    assert len(list(path.parent.glob("*_volume*"))) == 1  # the earlier one is not left behind
    output = values(document, "output")
    if name == "zarr":
        stored = np.asarray(zarr.open_group(path, mode="r")["0"])
    elif name == "tiff":
        stored = tifffile.imread(path)
    elif name == "hdf5":
        with h5py.File(path) as file:
            found: list[h5py.Dataset] = []
            file.visititems(
                lambda _, item: found.append(item) if getattr(item, "ndim", 0) == 3 else None
            )
            stored = found[0][()]
    else:
        with mrcfile.open(path, permissive=True) as file:
            stored = file.data.copy()
    assert stored.dtype == kind
    volume = stored.astype(np.float64) * output["value_scale"] + output["value_offset"]
    expected = np.asarray(
        zarr.open_group(undisturbed[0] / f"{small_scan.stem}_volume.ome.zarr", mode="r")["0"]
    )
    low, high = output["limits"]
    tolerance = (high - low) / 65000 if kind == "uint16" else 0
    np.testing.assert_allclose(
        volume, np.clip(expected, low, high) if kind == "uint16" else expected, atol=tolerance
    )
