"""Looking at a run: each event is told once, whatever the clocks of those who told it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoline.cli import _attach
from tomoline.queue.model import EventKind
from tomoline.queue.project import Project


def test_each_event_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = iter([False, False, True])
    monkeypatch.setattr(_attach, "_is_over", lambda *_: next(looks))
    monkeypatch.setattr(_attach, "LOOK_S", 0.0)
    with Project.create(tmp_path / "project") as project:
        since = project.log.last()
        for message, when in (("the first", 100.0), ("told late", 50.0)):
            project.store.add_event(
                EventKind.WARNING, message, level="warning", data_set="TS", when=when
            )
        _attach.attach(project, since=since)
    said = capsys.readouterr().err
    assert said.count("the first") == said.count("told late") == 1
