"""The job of a batch: what the queue says, as its process gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoline.queue.job_files import JobFiles, build_job
from tomoline.queue.project import Project


def test_each_axis_has_its_own_layers_and_both_the_same_steps(
    project: Project, tmp_path: Path
) -> None:
    paths = [tmp_path / "TSa.mrc", tmp_path / "TSb.mrc"]
    for path in paths:
        path.touch()
    entries = project.data_sets.add(paths)
    project.data_sets.set(["TS"], {"setup.exclude_views": ([7], "x")}, axis="b")
    project.queue.add(entries, first="align", last="trim", only="align,trim")
    (batch,) = project.queue.batches()
    job = build_job(project.store, batch, threads=2, memory_bytes=9)
    assert (job.first, job.last, job.only) == ("align", "trim", ["align", "trim"])
    assert [(one.root, one.axis, one.source) for one in job.parts] == [
        ("TSa", "a", str(paths[0])),
        ("TSb", "b", str(paths[1])),
    ]
    given = [[layer["values"] for layer in one.layers] for one in job.parts]
    excluded = [any("setup.exclude_views" in values for values in one) for one in given]
    assert excluded == [False, True]


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ("", ""),
        ("first\n  second \n\n", "second"),
        ("Fatal Python error: oh\n  File 1\n  File 2\n", "Fatal Python error: oh"),
    ],
)
def test_the_last_words_of_a_process(tmp_path: Path, printed: str, found: str) -> None:
    files = JobFiles(tmp_path / "1-1")
    files.out.write_text(printed)
    assert files.last_words() == found
