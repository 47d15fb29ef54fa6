"""Bad input, bad disks: a coded error with a remedy, exit status not 0, no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from command import content, copy_series, shown, succeed, tomoline

GOLD = ("--set", "setup.gold_diameter_nm=10")


def fails(code: str, *arguments: str | Path, prefix: tuple[str, ...] = ()) -> str:
    """Run a command that must fail with the given code, and return what it said."""
    done = tomoline(*arguments, prefix=prefix)
    assert done.returncode != 0, done.stdout + done.stderr
    assert code in done.stderr, done.stderr
    assert "remedy:" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    return done.stderr


@pytest.fixture
def series(small_series: Path, tmp_path: Path) -> Path:
    """A copy of the small series that a test may spoil."""
    return copy_series(small_series, tmp_path / "input")


def rewrite(stack: Path, change: Callable[[np.ndarray], np.ndarray], **header: float) -> None:
    """Change the images of a stack."""
    with mrcfile.open(stack, permissive=True) as file:
        images, voxel = file.data.copy(), file.voxel_size.copy()
    with warnings.catch_warnings(), mrcfile.new(stack, overwrite=True) as file:
        warnings.simplefilter("ignore", RuntimeWarning)  # it warns of what is made here on purpose
        file.set_data(change(images))
        for name in ("x", "y", "z"):
            voxel[name] = header.get(name, float(voxel[name]))
        file.voxel_size = voxel


def test_a_stack_shorter_than_its_header_says(series: Path) -> None:
    os.truncate(series, series.stat().st_size - 10_000)
    assert "20" in fails("FILE-03", "run", series, *GOLD)


def test_angles_that_do_not_match_the_views(series: Path) -> None:
    angles = series.with_suffix(".rawtlt")
    angles.write_text("\n".join(angles.read_text().splitlines()[:-2]))
    said = fails("SETUP-01", "run", series, *GOLD)
    assert "19" in said
    assert "21" in said


def test_no_angles_at_all(series: Path) -> None:
    for path in series.parent.glob("*"):
        if path != series:
            path.unlink()
    fails("SETUP-02", "run", series, *GOLD)
    succeed("run", series, *GOLD, "--set", "setup.first_and_increment_deg=-60 6", "--until", "0")


def test_a_text_file_that_is_not_utf8(series: Path) -> None:
    series.with_suffix(".rawtlt").write_bytes(b"\xff\xfe-6\x000\x00 caf\xe9\n" * 21)
    fails("FILE-06", "run", series, *GOLD)


def test_a_folder_where_a_file_should_be(series: Path) -> None:
    angles = series.with_suffix(".rawtlt")
    angles.unlink()
    angles.mkdir()
    done = tomoline("run", series, *GOLD, "--until", "0")
    assert "Traceback" not in done.stderr
    fails("RUN-05", "run", series.parent, *GOLD)
    fails("FILE-01", "run", series.parent / "none.mrc", *GOLD)


def test_pixels_that_are_not_square(series: Path) -> None:
    rewrite(series, lambda images: images, x=10.0, y=12.0)
    said = fails("SETUP-06", "run", series, *GOLD)
    assert "1.2 nm high" in said
    succeed("run", series, *GOLD, "--set", "setup.pixel_size_nm=1.0", "--until", "setup")


def test_all_images_constant(series: Path) -> None:
    rewrite(series, lambda images: np.full_like(images, 7))
    fails("PREP-01", "run", series, *GOLD)


def test_values_that_are_not_numbers_are_replaced_and_said(series: Path) -> None:
    def spoil(images: np.ndarray) -> np.ndarray:
        spoilt = images.astype(np.float32)
        spoilt[5, 20:24, 30:40] = np.nan
        spoilt[9, 100, 100] = np.inf
        return spoilt

    rewrite(series, spoil)
    succeed("run", series, *GOLD, "--until", "aligned_stack")
    document = shown(series.parent / "small")
    assert "PREP-02" in {one["code"] for one in document["warnings"]}
    with mrcfile.open(document["artifacts"]["aligned_stack"], permissive=True) as file:
        assert np.all(np.isfinite(file.data))


def test_nothing_but_values_that_are_not_numbers(series: Path) -> None:
    rewrite(series, lambda images: np.full(images.shape, np.nan, np.float32))
    fails("PREP-01", "run", series, *GOLD)


def test_four_views(series: Path) -> None:
    rewrite(series, lambda images: images[[0, 7, 13, 20]])
    series.with_suffix(".rawtlt").write_text("-60\n-18\n18\n60\n")
    (series.parent / "small.mrc.mdoc").unlink()
    done = tomoline("run", series, *GOLD)
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 or "remedy:" in done.stderr


def test_two_views_are_too_few(series: Path) -> None:
    rewrite(series, lambda images: images[:2])
    series.with_suffix(".rawtlt").write_text("-60\n-18\n")
    (series.parent / "small.mrc.mdoc").unlink()
    fails("SETUP-04", "run", series, *GOLD)


def test_odd_sizes(series: Path) -> None:
    rewrite(series, lambda images: images[:, :151, :187])
    succeed("run", series, *GOLD)
    assert shown(series.parent / "small")["state"] == "finished"


def test_gold_that_is_not_there(goldless_series: Path, tmp_path: Path) -> None:
    stack = copy_series(goldless_series, tmp_path)
    succeed("run", stack, *GOLD)
    warned = {one["code"] for one in shown(tmp_path / "goldless")["warnings"]}
    assert any(code.startswith(("SEED", "TRACK", "FID", "BEAD")) for code in warned), warned


def test_gold_that_is_demanded_and_not_there(goldless_series: Path, tmp_path: Path) -> None:
    stack = copy_series(goldless_series, tmp_path)
    done = tomoline("run", stack, *GOLD, "--set", "find_fiducials.method=beads")
    assert done.returncode != 0
    assert "remedy:" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_result_of_the_same_name_is_never_overwritten(
    series: Path, goldless_series: Path, tmp_path: Path
) -> None:
    succeed("run", series, *GOLD, "--until", "0", "--deliver", tmp_path / "out")
    before = content(tmp_path / "out" / "small")
    other = copy_series(goldless_series, tmp_path / "other")
    fails("RUN-03", "run", other, "--root", "small", "--deliver", tmp_path / "out")
    assert content(tmp_path / "out" / "small") == before


def test_parameters_are_all_checked_before_data_are_read(series: Path) -> None:
    said = fails(
        "PARAM-03",
        "run",
        series,
        "--set",
        "setup.gold_diameter=10",
        "--set",
        "reconstruct.thicknes_px=100",
        "--set",
        "setup.gold_diameter_nm=-3",
    )
    assert "gold_diameter_nm" in said
    assert "thickness_px" in said
    assert "PARAM-02" in said
    assert not (series.parent / "small").exists()


def test_a_memory_limit_that_nothing_fits(series: Path) -> None:
    fails("RUN-01", "run", series, *GOLD, "--memory", "1K")


def _in_namespace(script: str) -> tuple[str, ...]:
    """Return a prefix that runs a command after mounting something that only it sees."""
    unshare = shutil.which("unshare")
    probe = [unshare or "false", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting in a namespace of its own is not allowed here")
    return ("unshare", "-rm", "sh", "-c", f'{script} && exec "$@"', "sh")


def test_a_read_only_destination(series: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    prefix = _in_namespace(f"mount -t tmpfs none '{out}' && mount -o remount,ro '{out}'")
    fails("FILE-09", "run", series, *GOLD, "--deliver", out, prefix=prefix)


@pytest.mark.parametrize("size_kib", [600, 2200, 5000, 9000, 11500])
def test_a_full_disk_at_any_step_loses_nothing(series: Path, tmp_path: Path, size_kib: int) -> None:
    out = tmp_path / "out"
    out.mkdir()
    script = f"mount -t tmpfs -o size={size_kib}k none '{out}'"
    prefix = _in_namespace(script)
    said = fails("FILE-08", "run", series, *GOLD, "--deliver", out, prefix=prefix)
    assert str(out) in said
    assert series.exists()
