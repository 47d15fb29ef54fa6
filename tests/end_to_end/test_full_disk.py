"""A project whose disk is full, or may only be read: what a run does, and how it is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import waiting
from command import content, copy_series, succeed
from processes import processes_left, processes_of
from small_disk import SmallDisk

GOLD = "setup.gold_diameter_nm=10"
UNTIL = ("--until", "prealign")
PATIENCE_S = 60.0
Document = dict[str, Any]
LOOKS = (
    ("status", "--json"),
    ("status",),
    ("log",),
    ("queue", "list"),
    ("values", "zebra"),
    ("run", "--dry-run", "zebra"),
    ("project", "list"),
    ("project", "explain", "small", "setup.gold_diameter_nm"),
    ("project", "check"),
    ("schedule", "list"),
    ("schedule", "status"),
    ("watch", "--list"),
    ("mail",),
)
"""Commands that only look; the first prints the state."""
WRITING_ELSEWHERE = (
    ("project", "export-directives"),
    ("template", "save", "krios", "--kind", "user"),
)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, small_series: Path) -> dict[str, str]:
    """Digests of the results of the series, run alone on a disk with room."""
    folder = tmp_path_factory.mktemp("alone")
    stack = copy_series(small_series, folder)
    succeed("run", stack, "--deliver", folder / "results", "--set", GOLD, *UNTIL)
    return content(folder / "results" / "small")


@pytest.fixture
def disk(tmp_path: Path, small_series: Path) -> Iterator[SmallDisk]:
    """A disk with a project of two series, of which the first is being run."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = SmallDisk(folder, size_mib=48)
    try:
        copy_series(small_series, made.inside / "raw")
        second = made.inside / "raw" / "zebra.mrc"
        second.write_bytes(small_series.read_bytes())
        second.with_suffix(".rawtlt").write_bytes(small_series.with_suffix(".rawtlt").read_bytes())
        night = folder / "night"
        for words in (
            ("project", "new", night),
            ("project", "add", folder / "raw" / "small.mrc", second_of(folder), "-p", night),
            ("project", "set", "--set", GOLD, "--retry-waits", "1", "-p", night),
            ("run", night, "--detach", "--processors", "1", *UNTIL),
        ):
            done = made.run(*words)
            assert done.returncode == 0, done.stderr
        wait_for(made, lambda status: any(one["step"] == "coarse_align" for one in running(status)))
        yield made
        made.run("kill", "-p", night)
        assert processes_left(folder) == []
    finally:
        made.close()


def second_of(folder: Path) -> Path:
    return folder / "raw" / "zebra.mrc"


def running(status: Document) -> list[Document]:
    found: list[Document] = status["running"]
    return found


def project(disk: SmallDisk) -> tuple[str, Path]:
    """Return the words that name the project."""
    return "-p", disk.folder / "night"


def status_of(disk: SmallDisk) -> Document:
    done = disk.run("status", "--json", *project(disk))
    assert done.returncode == 0, done.stderr
    document: Document = json.loads(done.stdout)
    return document


def wait_for(disk: SmallDisk, condition: Callable[[Document], bool]) -> Document:
    """Look at the project until something is so."""
    return waiting.wait_for(lambda: status_of(disk), condition, patience_s=PATIENCE_S)


def results(disk: SmallDisk) -> dict[str, str]:
    return content(disk.inside / "night" / "small")


def test_kill_works_on_a_full_disk_and_holds(disk: SmallDisk, alone: dict[str, str]) -> None:
    disk.fill()
    refused = disk.run("pause", *project(disk))
    assert refused.returncode == 1
    assert "FILE-08" in refused.stderr
    assert "'tomoline kill'" in refused.stderr

    killed = disk.run("kill", *project(disk))
    assert killed.returncode == 1
    assert "FILE-08" in killed.stderr
    told = re.search(r"Ended all the same, in (\S+) s: .*the runner\.", killed.stderr)
    assert told is not None, killed.stderr
    assert float(told[1]) < 2.0
    assert processes_of(disk.folder) == []

    disk.free()
    seen = disk.run("status", *project(disk))
    assert "QUEUE-03" in seen.stderr
    assert processes_of(disk.folder) == []  # nothing began again
    status = status_of(disk)
    assert status["wanted"] == "stopped"
    assert (status["counts"]["killed"], status["counts"]["waiting"]) == (1, 1)

    done = disk.run("resume", *project(disk))
    assert done.returncode == 0, done.stderr
    assert status_of(disk)["counts"]["finished"] == 2
    assert results(disk) == alone


def test_a_run_goes_on_by_itself_when_there_is_room_again(
    disk: SmallDisk, alone: dict[str, str]
) -> None:
    disk.fill()  # at once: what runs is soon done
    runner = status_of(disk)["runner"]
    time.sleep(2.0)  # the batch ends meanwhile, and nothing can be written down
    assert "warning FILE-08" in disk.run("status", *project(disk)).stderr
    status = status_of(disk)
    assert status["runner"] == runner
    assert (status["counts"]["running"], status["counts"]["waiting"]) == (1, 1)
    disk.free()
    assert "FILE-08" not in disk.run("status", *project(disk)).stderr
    status = wait_for(disk, lambda status: status["counts"]["finished"] > 0)
    assert status["runner"] in (runner, None)  # it may have ended
    # What had no room for its results is tried again by itself.
    wait_for(disk, lambda status: status["counts"]["finished"] == 2)
    assert results(disk) == alone


def end_without_notice(disk: SmallDisk) -> Document:
    """Fill the disk, and end all processes as the kernel does when memory runs out."""
    disk.fill()
    status = status_of(disk)
    for pid in (status["runner"], *(one["pid"] for one in running(status))):
        os.kill(pid, signal.SIGKILL)
    assert processes_left(disk.folder) == []
    return status


def look(
    disk: SmallDisk,
    code: str,
    commands: Sequence[tuple[str, ...]] = LOOKS[:4],
    read_only: Path | None = None,
) -> Document:
    """Give commands that only look; they have to work, and to tell what is in the way."""
    status: Document = {}
    for words in commands:
        seen = disk.run(*words, *project(disk), read_only=read_only)
        assert (words, seen.returncode, seen.stderr.count(code)) == (words, 0, 1), seen.stderr
        assert seen.stdout
        status = status or json.loads(seen.stdout)
    return status


def test_looking_works_on_a_full_disk_where_nothing_runs(
    disk: SmallDisk, alone: dict[str, str]
) -> None:
    before = end_without_notice(disk)
    seen = look(disk, "warning FILE-08")
    assert (seen["runner"], seen["counts"]) == (None, before["counts"])
    told = disk.run("status", *project(disk)).stderr
    assert re.search(r"QUEUE-08: .* it was running P1 small .*Free some space", told), told
    assert processes_of(disk.folder) == []

    disk.free()
    begun = disk.run("status", *project(disk))
    assert "QUEUE-08" in begun.stderr
    wait_for(disk, lambda status: status["counts"]["finished"] == 2)
    assert results(disk) == alone
    assert processes_left(disk.folder) == []
    disk.fill()  # now SQLite has left no file in which there would be room
    elsewhere = ("--dir", str(disk.folder.parent / "elsewhere"))
    looks = (*LOOKS, *((*words, *elsewhere) for words in WRITING_ELSEWHERE))
    assert look(disk, "warning FILE-08", looks)["counts"]["finished"] == 2
    refused = disk.run("queue", "add", "zebra", *project(disk))
    assert (refused.returncode, "FILE-08" in refused.stderr) == (1, True), refused.stderr


def test_looking_works_where_the_project_may_only_be_read(disk: SmallDisk) -> None:
    _, folder = project(disk)
    seen = look(disk, "warning PROJ-06", read_only=folder)
    assert seen["runner"] is not None  # what others do is seen
    followed = disk.run("status", "--follow", *project(disk), read_only=folder)
    assert followed.returncode == 0, followed.stderr
    before = status_of(disk)
    assert before["counts"]["finished"] == 2  # it was looked at until then
    assert processes_left(disk.folder) == []
    seen = look(disk, "warning PROJ-06", read_only=folder)
    assert (seen["runner"], seen["counts"]) == (None, before["counts"])
    followed = disk.run("log", "--follow", *project(disk), read_only=folder)
    assert (followed.returncode, "cannot be followed" in followed.stderr) == (1, True)
    assert "run asked for" in followed.stdout


def test_kill_works_where_the_project_may_only_be_read(
    disk: SmallDisk, alone: dict[str, str]
) -> None:
    _, folder = project(disk)
    killed = disk.run("kill", "-p", folder, read_only=folder)
    assert killed.returncode == 1
    assert "PROJ-06" in killed.stderr
    assert "small, the runner." in killed.stderr
    assert "'tomoline kill' again, before any other command" in killed.stderr
    assert processes_of(disk.folder) == []
    again = disk.run("kill", "-p", folder)
    assert again.returncode == 0, again.stderr
    status = status_of(disk)
    assert (status["wanted"], status["counts"]["running"]) == ("stopped", 0)
    done = disk.run("resume", "-p", folder)
    assert done.returncode == 0, done.stderr
    assert results(disk) == alone
