"""Whatever is written, renamed and deleted when: each acquisition is run once per final content.

The disk is real, the clock is not. A model knows which content is where and whether it is whole.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from microscope import Watched, mrc_bytes, put

from tomoline.queue.model import BatchState
from tomoline.queue.watching.watcher import LOCK

NAMES = ("x", "y", "sub/x", "Da", "Db")
SETTLE = 30.0


@dataclass
class Model:
    """What is on the disk.

    Attributes
    ----------
    content : dict
        Number of the content of each stack that is there.
    whole : set
        Stacks that are whole.
    changed : dict
        When each was changed last, by the watch's clock.
    runs : list
        What each run found: contents of its one or two stacks.
    """

    watched: Watched
    content: dict[str, int] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    changed: dict[str, float] = field(default_factory=dict)
    runs: list[tuple[int, ...]] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    number: int = 0
    batches: set[int] = field(default_factory=set)

    def path(self, name: str) -> Path:
        return self.watched.folder / f"{name}.mrc"

    def bytes_of(self, number: int) -> bytes:
        return mrc_bytes(2 + number % 3, fill=number)

    def write(self, name: str, number: int, *, part: bool = False) -> None:
        content = self.bytes_of(number)
        content = content[: 1024 + len(content) % 90] if part else content
        # A server whose clock is far off, and which gives each change another time.
        stamp = 4_000_000_000_000_000_000 + 2 * number * 1_000_001 + (1 if part else 0)
        put(self.path(name), content, time_ns=stamp)
        self.content[name] = number
        self.changed[name] = self.watched.now
        (self.whole.discard if part else self.whole.add)(name)

    def fresh(self) -> int:
        self.number += 1
        return self.number

    def forget(self, name: str) -> int:
        self.whole.discard(name)
        self.changed.pop(name, None)
        return self.content.pop(name)

    def name_of(self, path: Path) -> str:
        return str(path.relative_to(self.watched.folder))[: -len(".mrc")]

    def check_queued(self) -> None:
        """What a look has queued must be whole, and the same for long enough."""
        project = self.watched.project
        for batch in project.queue.batches(states=[BatchState.WAITING]):
            if batch.id in self.batches:
                continue
            self.batches.add(batch.id)
            entry = project.data_sets.by_id(batch.data_set)
            assert entry is not None
            sources = [one for one in (entry.source, entry.source_b) if one is not None]
            changed = [self.name_of(one) for one in sources]
            assert all(name in self.whole for name in changed if name in self.content)
            # Of two axes the other one may be changing again already.
            assert min(self.changed[name] for name in changed) <= self.watched.now - SETTLE

    def run(self) -> bool:
        """Run the next batch; what it reads is what is there now."""
        batch = self.watched.project.queue.next(1e12, alone_allowed=True)
        if batch is None:
            return False
        entry = self.watched.project.data_sets.by_id(batch.data_set)
        assert entry is not None
        sources = [one for one in (entry.source, entry.source_b) if one is not None]
        self.runs.append(tuple(self.content.get(self.name_of(one), -1) for one in sources))
        self.watched.run_next()
        return True


def act(model: Model, action: str, name: str, other: str) -> None:
    """Do one thing, if it is possible now."""
    path = model.path(name)
    there = name in model.content
    if action == "begin":
        model.write(name, model.fresh(), part=True)
    elif action == "finish" and there and name not in model.whole:
        model.write(name, model.content[name])
    elif action == "write":
        model.write(name, model.fresh())
    elif action == "part":
        put(path.with_name(f"{path.name}.part"), b"something")
    elif action == "delete" and there:
        path.unlink()
        if name in model.whole:
            model.kept[name] = model.forget(name)
        else:
            model.forget(name)
    elif action == "restore" and not there and name in model.kept:
        model.write(name, model.kept[name])
    elif action == "rename" and there and name in model.whole and other not in model.content:
        if other == name or {name[0], other[0]} & {"D"}:
            return
        model.path(other).parent.mkdir(exist_ok=True)
        os.rename(path, model.path(other))
        model.content[other] = model.forget(name)
        model.whole.add(other)
        model.changed[other] = model.watched.now
    elif action == "look":
        model.watched.look()
        model.check_queued()
    elif action == "wait":
        for _ in range(16):
            model.watched.look()
            model.check_queued()
    elif action == "run":
        model.run()
    elif action == "restart":
        model.watched.restart()


ACTIONS = ("begin", "finish", "write", "part", "delete", "restore", "rename", "run", "restart",
           "look", "look", "wait", "wait")  # fmt: skip


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        max_size=40,
    )
)
def test_each_final_content_is_run_once(actions: list[tuple[str, str, str]]) -> None:
    base = Path(tempfile.mkdtemp())
    watched = Watched(base, settle_s=SETTLE, late_s=100.0)
    try:
        model = Model(watched)
        for action in actions:
            act(model, *action)
        for _ in range(3):
            act(model, "wait", "x", "x")
            while model.run():
                pass
        ran = {content for run in model.runs for content in run}
        for name in model.whole:
            assert model.content[name] in ran, f"{name} was missed"
        for name in model.content.keys() - model.whole:
            states = watched.seen()
            assert states[f"{name}.mrc"] == "incomplete"
        assert len(model.runs) == len(set(model.runs)), "something was run twice"
        assert (watched.project.store.work / LOCK).exists()
    finally:
        watched.close()
        shutil.rmtree(base)
