"""Names of frames: what stays one, what is forgotten, and how little is kept of each."""

from __future__ import annotations

import tracemalloc

from microscope import Watched, mdoc_text, mrc_bytes, put, tiff_bytes

from tomoline.queue.watching.frames import Frames


def test_little_is_kept_of_each_and_nothing_of_what_is_gone() -> None:
    some = [[f"TS_{number}_{view}.tif" for view in range(60)] for number in range(600)]
    told = [[f"{name[:-4]}_fractions.tiff" for name in one] for one in some]
    tracemalloc.start()
    try:
        frames = Frames()
        for number, one in enumerate(told):
            frames.listed(f"/in/{number % 30}", one)
        assert tracemalloc.get_traced_memory()[0] < 10_000
        for number, one in enumerate(some):
            frames.listed(f"/in/{number % 30}", one)
            frames.listed(f"/in/{number % 30}", one)
        assert tracemalloc.get_traced_memory()[0] < 60 * len(some) * len(some[0])
        assert all(name in frames for one in some for name in one)
        frames.forget(lambda folder: True)
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
    assert not any(name in frames for one in some for name in one)


def test_a_name_is_known_as_long_as_anything_lists_it_or_has_it() -> None:
    frames = Frames()
    assert len(frames.listed("/a", ["x_0.tif", "x_1.tif"])) == 2
    assert not frames.listed("/b", ["x_0.tif"])
    frames.forget(lambda folder: folder == "/a")
    assert "x_0.tif" in frames
    assert "x_1.tif" not in frames
    frames.lie_in("/frames", ["x_0.tif", "other.tif"])
    frames.forget(lambda folder: folder == "/b")
    assert "x_0.tif" in frames
    assert "other.tif" not in frames
    assert frames.folders_of(frames.listed("/c", ["other.tif"])) == {"/frames"}
    frames.forget(lambda folder: True)
    assert "x_0.tif" not in frames
    assert not frames.folders_of({hash("other.tif")})


def test_frames_stay_frames_when_their_mdoc_is_filed_away(tilt: Watched) -> None:
    frames = {view: f"a_{view}.tif" for view in range(3)}
    mdoc = put(tilt.folder / "mdocs" / "a.mrc.mdoc", mdoc_text(3, image="a.mrc", frames=frames))
    put(tilt.folder / "mdocs" / "a.mrc", mrc_bytes(3))
    for name in frames.values():
        put(tilt.folder / "frames" / name, tiff_bytes())
    tilt.settle()
    assert tilt.queue() == ["a"]
    mdoc.unlink()
    tilt.settle()
    put(tilt.folder / "frames" / "late.txt", "grouped anew")
    tilt.settle()
    assert tilt.queue() == ["a"]
    (tilt.folder / "mdocs" / "a.mrc").unlink()
    (tilt.folder / "mdocs").rmdir()
    tilt.settle()
    put(tilt.folder / "frames" / "later.txt", "grouped anew")
    tilt.settle()
    assert set(tilt.seen()) == {"mdocs/a.mrc"}
    for path in (tilt.folder / "frames").iterdir():
        path.unlink()
    (tilt.folder / "frames").rmdir()
    tilt.settle()
    put(tilt.folder / "new" / "a_1.tif", tiff_bytes(3))
    tilt.look(times=10)
    assert tilt.seen()["new/a_1.tif"] == "taken"


def test_an_mdoc_that_grows_is_read_again(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes(4))
    put(tilt.folder / "a.mrc.mdoc", mdoc_text(3), time_ns=10**18)
    tilt.settle()
    assert tilt.reasons() == {"a.mrc": "its .mdoc describes 3 of 4 views so far"}
    frames = {view: f"a_{view}.tif" for view in range(4)}
    put(tilt.folder / "a.mrc.mdoc", mdoc_text(4, frames=frames), time_ns=2 * 10**18)
    put(tilt.folder / "a_3.tif", tiff_bytes(3))
    tilt.settle()
    assert tilt.queue() == ["a"]
