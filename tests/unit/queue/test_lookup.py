"""Looking up lines of the table of data sets."""

from __future__ import annotations

from pathlib import Path

from tomoline.queue.project import Project


def test_the_run_flag_chooses_with_patterns_and_without(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("TS_1.mrc", "TS_2.mrc", "other.mrc")]
    for path in paths:
        path.touch()
    with Project.create(tmp_path / "night") as project:
        project.data_sets.add(paths)
        project.data_sets.set_run(["TS_2"], False)
        for patterns, found in (((), ["TS_1", "other"]), (("TS_*",), ["TS_1"])):
            entries = project.data_sets.entries(patterns, flagged=True)
            assert [one.name for one in entries] == found
