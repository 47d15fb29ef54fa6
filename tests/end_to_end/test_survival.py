"""Killed at any moment, and run with any number of threads: the same bytes."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from command import COMMAND, content, copy_series, shown, start, succeed

GOLD = ("--set", "setup.gold_diameter_nm=10")
KILLS = 6


@pytest.fixture(scope="module")
def undisturbed(small_series: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The results of a run that nobody disturbed, and how long it took."""
    folder = tmp_path_factory.mktemp("undisturbed")
    begin = time.monotonic()
    succeed("run", small_series, *GOLD, "--deliver", folder, "--threads", "2")
    return folder / "small", time.monotonic() - begin


def test_one_or_two_threads_give_the_same_bytes(
    small_series: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    succeed("run", small_series, *GOLD, "--deliver", tmp_path, "--threads", "1")
    assert content(tmp_path / "small") == content(undisturbed[0])


def test_killed_at_random_moments_it_ends_with_the_same_bytes(
    small_series: Path, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    rng = np.random.default_rng(5)
    source = copy_series(small_series, tmp_path / "input")
    for _ in range(KILLS):
        process = start("run", source, *GOLD, "--deliver", tmp_path)
        time.sleep(rng.uniform(0.3, 1.0) * undisturbed[1])
        process.send_signal(signal.SIGKILL)
        process.wait()
    succeed("run", source, *GOLD, "--deliver", tmp_path)
    assert content(tmp_path / "small") == content(undisturbed[0])


def test_only_unfinished_steps_run_again(small_series: Path, tmp_path: Path) -> None:
    succeed("run", small_series, *GOLD, "--deliver", tmp_path, "--until", "align")
    first = {one["name"]: one["started"] for one in shown(tmp_path / "small")["steps"]}
    time.sleep(1.1)
    succeed("run", small_series, *GOLD, "--deliver", tmp_path)
    second = {one["name"]: one["started"] for one in shown(tmp_path / "small")["steps"]}
    assert first.items() <= second.items()
    assert len(second) > len(first)


@pytest.mark.parametrize("step", ["setup", "preprocess", "coarse_align"])
def test_interrupting_says_how_to_go_on(small_series: Path, tmp_path: Path, step: str) -> None:
    process = subprocess.Popen(
        [*COMMAND, "run", str(small_series), *GOLD, "--deliver", str(tmp_path)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    before = next(line for line in process.stderr if f"  {step}  " in line)
    process.send_signal(signal.SIGINT)
    said = before + process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "finished steps are kept" in said
