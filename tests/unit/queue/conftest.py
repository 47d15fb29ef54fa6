"""An empty project, and the store of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tomoline.queue.project import Project
from tomoline.queue.store import Store


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "night") as one:
        yield one


@pytest.fixture
def queued(project: Project, tmp_path: Path) -> Project:
    """The project with one data set, TS, which waits."""
    (tmp_path / "TS.mrc").touch()
    project.queue.add(project.data_sets.add([tmp_path / "TS.mrc"]))
    return project


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "night") as one:
        yield one
