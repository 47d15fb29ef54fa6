"""Watching for X-ray scans: parameter files with their frames, HDF5 and Zeiss files, folders."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from microscope import Watched, put, tiff_bytes

Make = Callable[..., Watched]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Watched] = []

    def maker(**settings: Any) -> Watched:
        made.append(Watched(tmp_path, "scan", **settings))
        return made[-1]

    yield maker
    for one in made:
        one.close()


@pytest.fixture
def scan(make: Make) -> Watched:
    return make()


def parameters(*lines: str) -> str:
    return "\n".join(["ENERGY = 18", "PIXELSIZE = 0.65", *lines]) + "\n"


ONE = parameters("DISTANCES = 0.1", "PREFIX = a_", "PREFIX-FF = ff_")
TWO = parameters("DISTANCES = 0.1, 0.2", "PREFIX = a1_, a2_", "PREFIX-FF = ff1_, ff2_")


def frames(folder: Path, prefix: str, numbers: range, *, fill: int = 0) -> None:
    for number in numbers:
        put(folder / f"{prefix}{number:04d}.tif", tiff_bytes(fill=number + fill))


def test_a_scan_is_taken_when_no_frame_comes_any_more(scan: Watched) -> None:
    put(scan.folder / "a.par", ONE)
    frames(scan.folder, "ff_", range(1, 3))
    for number in range(1, 20):
        frames(scan.folder, "a_", range(number, number + 1))
        scan.look(times=3)
    assert scan.queue() == []
    assert scan.seen() == {"a.par": "growing"}
    assert scan.reasons() == {"a.par": "to be the same for 120 s"}
    scan.look(times=14)
    assert scan.queue() == ["a"]
    scan.run_all()
    scan.look(times=30)
    assert scan.queue() == []


def test_announced_frames_make_the_wait_short_and_are_waited_for(scan: Watched) -> None:
    put(scan.folder / "a.par", ONE + "ANGLE-STEP = 18\nANGLE-RANGE = 180\n")
    frames(scan.folder, "ff_", range(1, 3))
    frames(scan.folder, "a_", range(1, 8))
    scan.look(times=40)
    assert scan.queue() == []
    assert scan.reasons() == {"a.par": "waits for a_0008.tif, a_0009.tif, a_0010.tif"}
    frames(scan.folder, "a_", range(8, 11))
    scan.look(times=5)
    assert scan.queue() == ["a"]


def test_the_user_may_say_how_many_frames_come(make: Make) -> None:
    scan = make(values={"scan.expected_frames": [5, "watch --set"]})
    put(scan.folder / "a.par", ONE)
    frames(scan.folder, "ff_", range(1, 3))
    frames(scan.folder, "a_", range(1, 5))
    scan.look(times=40)
    assert scan.reasons() == {"a.par": "waits for a_0005.tif"}
    frames(scan.folder, "a_", range(5, 6))
    scan.look(times=5)
    assert scan.queue() == ["a"]


def test_flats_gaps_and_other_distances_are_waited_for(scan: Watched) -> None:
    put(scan.folder / "a.par", TWO)
    frames(scan.folder, "a1_", range(1, 6))
    frames(scan.folder, "ff1_", range(1, 3))
    scan.look(times=20)
    assert scan.reasons() == {"a.par": "waits for a2_NUMBER.tif, ff2_NUMBER.tif"}
    frames(scan.folder, "a2_", range(1, 4))
    frames(scan.folder, "ff2_", range(1, 3))
    scan.look(times=20)
    assert scan.reasons() == {"a.par": "waits for a2_0004.tif, a2_0005.tif"}
    frames(scan.folder, "a2_", range(5, 6))
    put(scan.folder / "a2_0004.tif", b"")
    scan.look(times=20)
    assert scan.reasons() == {"a.par": "empty are a2_0004.tif"}
    frames(scan.folder, "a2_", range(4, 5))
    scan.look(times=20)
    assert scan.queue() == ["a"]


def test_frames_in_other_folders_are_looked_at(scan: Watched, tmp_path: Path) -> None:
    put(scan.folder / "in.par", ONE.replace("a_", "raw/a_"))
    put(scan.folder / "out.par", ONE + f"FOLDER = {tmp_path / 'far'}\n")
    frames(scan.folder, "ff_", range(1, 3))
    frames(scan.folder / "raw", "a_", range(1, 5))
    frames(tmp_path / "far", "ff_", range(1, 3))
    for number in range(1, 12):
        frames(scan.folder / "raw", "a_", range(number, number + 1))
        frames(tmp_path / "far", "a_", range(number, number + 1), fill=100)
        scan.look(times=3)
    assert scan.queue() == []
    scan.look(times=20)
    assert sorted(scan.queue()) == ["in", "out"]
    assert set(scan.seen()) == {"in.par", "out.par"}


def test_a_frame_that_is_written_slowly_is_seen(scan: Watched) -> None:
    put(scan.folder / "a.par", ONE + "ANGLE-STEP = 60\nANGLE-RANGE = 180\n")
    frames(scan.folder, "ff_", range(1, 3))
    frames(scan.folder, "a_", range(1, 4))
    last = scan.folder / "a_0003.tif"
    whole = last.read_bytes()
    for end in range(10, len(whole), 4):  # in place: the folder's time does not change
        with last.open("r+b") as file:
            file.truncate(0)
            file.write(whole[:end])
        scan.look(times=2)
    assert scan.queue() == []
    last.write_bytes(whole)
    scan.look(times=5)
    assert scan.run_all() == ["a"]
    scan.look(times=30)
    assert scan.queue() == []


def test_a_parameter_file_with_mistakes_is_taken_for_its_run_tells_them(scan: Watched) -> None:
    put(scan.folder / "a.par", "PREFIX = a_\nENERGY = much\n")
    scan.settle()
    assert scan.queue() == ["a"]


def test_text_files_are_taken_for_their_keys_only(scan: Watched) -> None:
    put(scan.folder / "notes.txt", "nothing = here\n")
    put(scan.folder / "scan.txt", ONE)
    frames(scan.folder, "ff_", range(1, 3))
    frames(scan.folder, "a_", range(1, 5))
    scan.look(times=20)
    assert scan.queue() == ["scan"]
    assert set(scan.seen()) == {"scan.txt"}


def test_scans_of_one_name_with_the_same_parameters_are_different_scans(scan: Watched) -> None:
    for folder, fill in (("one", 0), ("two", 50)):
        put(scan.folder / folder / "a.par", ONE)
        frames(scan.folder / folder, "ff_", range(1, 3))
        frames(scan.folder / folder, "a_", range(1, 5), fill=fill)
    scan.look(times=20)
    assert scan.queue() == ["a", "two_a"]


def test_a_folder_of_numbered_frames_is_a_scan(scan: Watched) -> None:
    frames(scan.folder / "bone 1", "proj_", range(0, 4))
    frames(scan.folder / "few", "proj_", range(0, 2))
    frames(scan.folder / "flats", "ff_", range(0, 5))
    scan.look(times=20)
    assert scan.queue() == ["bone 1"]
    scan.run_all()
    frames(scan.folder / "bone 1", "proj_", range(5, 6))
    scan.look(times=30)
    assert scan.queue() == []
    assert scan.reasons() == {"bone 1": "waits for proj_0004.tif"}
    frames(scan.folder / "bone 1", "proj_", range(4, 5))
    scan.look(times=20)
    assert scan.queue() == ["bone 1"]


def test_a_folder_that_vanishes_and_comes_back_is_noticed(scan: Watched) -> None:
    frames(scan.folder / "bone", "proj_", range(0, 4))
    scan.look(times=20)
    (scan.folder / "bone").rename(scan.folder.parent / "bone")
    scan.look(times=20)
    assert scan.queue() == []
    assert scan.codes() == ["WATCH-07"]
    scan.restart()
    scan.look(times=5)
    (scan.folder.parent / "bone").rename(scan.folder / "bone")
    scan.look(times=20)
    assert scan.run_all() == ["bone"]


def test_an_hdf5_file_is_taken_when_it_is_closed(scan: Watched) -> None:
    path = scan.folder / "a.h5"
    with h5py.File(path, "w") as file:
        file["entry/data"] = np.zeros((4, 8, 8), np.uint16)
        file.flush()
        scan.look(times=20)
        assert scan.reasons() == {"a.h5": "a program has it open for writing"}
    scan.look(times=20)
    assert scan.queue() == ["a"]


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_an_hdf5_file_that_is_cut_short_waits(scan: Watched, version: str) -> None:
    path = scan.folder / "a.nxs"
    with h5py.File(path, "w", libver=version) as file:
        file["entry/data"] = np.zeros((4, 64, 64), np.uint16)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    scan.look(times=20)
    assert scan.queue() == []
    assert f"promises {len(whole)} bytes" in scan.reasons()["a.nxs"]
    path.write_bytes(whole[:30])
    scan.look(times=20)
    assert "less than a superblock" in scan.reasons()["a.nxs"]
    path.write_bytes(whole)
    scan.look(times=20)
    assert scan.queue() == ["a"]


def write_master(path: Path, *, virtual: bool, ancillary: str = "") -> Path:
    """Write a master file that links to ``data/NAME.h5``, and return the path of that."""
    data = path.with_name("data") / f"{path.stem}.h5"
    with h5py.File(path, "w") as file:
        if virtual:
            layout = h5py.VirtualLayout((4, 8, 8), np.uint16)
            layout[:] = h5py.VirtualSource(f"data/{data.name}", "frames", (4, 8, 8))
            file.create_virtual_dataset("entry/data", layout)
        else:  # the absolute path of where it was written
            file["entry/data"] = h5py.ExternalLink(f"/elsewhere/{data.name}", "frames")
            data = path.with_name(data.name)
        if ancillary:
            file["entry/current"] = h5py.ExternalLink(ancillary, "value")
    return data


def write_frames(path: Path) -> bytes:
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file["frames"] = np.zeros((4, 8, 8), np.uint16)
    return path.read_bytes()


@pytest.mark.parametrize("virtual", [False, True])
def test_an_hdf5_file_waits_for_those_that_it_links_to(make: Make, virtual: bool) -> None:
    scan = make(pattern="*.nxs")
    data = write_master(scan.folder / "a.nxs", virtual=virtual)
    named = f"data/{data.name}" if virtual else f"/elsewhere/{data.name}"
    scan.look(times=100)
    assert scan.reasons() == {"a.nxs": f"waits for {named}"}
    assert scan.codes() == ["WATCH-04"]
    whole = write_frames(data)
    data.write_bytes(whole[:-100])
    scan.look(times=20)
    assert "a.h5, which it links to: its superblock prom" in scan.reasons()["a.nxs"]
    data.write_bytes(whole)
    scan.look()
    assert scan.queue() == ["a"]


def test_links_that_never_lead_anywhere_hold_no_frames_back_for_ever(make: Make) -> None:
    scan = make(pattern="*.nxs", late_s=300.0)
    write_frames(write_master(scan.folder / "a.nxs", virtual=False, ancillary="ring.h5"))
    scan.look(times=30)
    assert scan.reasons() == {"a.nxs": "waits for ring.h5"}
    scan.look(times=2)
    assert scan.queue() == ["a"]
    assert scan.codes() == []


@pytest.mark.parametrize("name", ["a.nxs", "z.nxs"])
def test_files_that_another_links_to_are_no_scans(scan: Watched, name: str) -> None:
    write_frames(write_master(scan.folder / name, virtual=True))
    write_frames(scan.folder / "m_data_000001.h5")
    scan.look(times=20)
    assert scan.queue() == [name[0]]
    assert scan.seen() == {name: "taken", f"data/{name[0]}.h5": "duplicate"}
    assert scan.reasons() == {f"data/{name[0]}.h5": f"part of {scan.folder / name}"}
    scan.restart()
    scan.look(times=20)
    assert scan.run_all() == [name[0]]
    assert scan.codes() == []


def test_an_hdf5_file_that_cannot_be_read_is_for_the_run_to_tell(scan: Watched) -> None:
    path = scan.folder / "a.h5"
    with h5py.File(path, "w") as file:
        for number in range(100):
            file[f"group{number}/data"] = number
    content = bytearray(path.read_bytes())
    content[600:4000] = bytes(3400)
    path.write_bytes(content)
    scan.look(times=20)
    assert scan.queue() == ["a"]


def test_a_zeiss_file_that_is_cut_short_waits(scan: Watched) -> None:
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<H", header, 30, 9)
    struct.pack_into("<I", header, 48, 5)  # the directory is in sector 5
    put(scan.folder / "a.txrm", bytes(header) + bytes(5 * 512))
    scan.look(times=20)
    assert scan.reasons() == {"a.txrm": "its directory ends at byte 3584, there are 3072"}
    put(scan.folder / "a.txrm", bytes(header) + bytes(6 * 512))
    scan.look(times=20)
    assert scan.queue() == ["a"]


def test_two_files_of_one_number_are_for_the_run_to_tell(scan: Watched) -> None:
    put(scan.folder / "a.par", ONE)
    frames(scan.folder, "ff_", range(1, 3))
    frames(scan.folder, "a_", range(1, 5))
    put(scan.folder / "a_00001.tif", tiff_bytes())
    scan.look(times=20)
    assert scan.queue() == ["a"]


def test_what_is_quiet_is_not_kept_in_memory(scan: Watched) -> None:
    frames(scan.folder / "bone", "proj_", range(0, 50))
    scan.look(times=20)
    (_, watcher) = scan.service._watchers[1]
    assert watcher._disk._known[f"{scan.folder}/bone"].files == {}
    frames(scan.folder / "bone", "proj_", range(50, 51))
    scan.run_all()
    scan.look(times=20)
    assert scan.queue() == ["bone"]
