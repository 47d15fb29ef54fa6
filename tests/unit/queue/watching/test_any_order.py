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

NAMES = ("x", "sub/x", "Da", "Db")
SETTLE = 30.0
NOTICED = SETTLE + 110.0


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
        What each run found: contents of its one or two stacks, -1 where there was none.
    steady : list
        Those of them that found what had not been changed shortly before.
    """

    watched: Watched
    content: dict[str, int] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    changed: dict[str, float] = field(default_factory=dict)
    runs: list[tuple[int, ...]] = field(default_factory=list)
    steady: list[tuple[int, ...]] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    number: int = 0
    batches: set[int] = field(default_factory=set)

    @property
    def away(self) -> bool:
        """Whether the sub-folder cannot be reached."""
        return self.elsewhere.exists()

    @property
    def elsewhere(self) -> Path:
        return self.watched.folder.with_name("elsewhere")

    def mount(self) -> None:
        """Bring the sub-folder back, or take it away."""
        sub = self.watched.folder / "sub"
        if self.away:
            os.rename(self.elsewhere, sub)
        elif sub.exists():
            os.rename(sub, self.elsewhere)

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
        names = [self.name_of(one) for one in sources]
        hidden = {name for name in names if self.away and name.startswith("sub/")}
        self.runs.append(
            tuple(-1 if name in hidden else self.content.get(name, -1) for name in names)
        )
        if -1 in self.runs[-1]:
            self.watched.run_next(BatchState.FAILED, code="FILE-01")
            return True
        # What has just been changed is run, and then once more when the change has been seen.
        if all(self.changed.get(name, 0.0) <= self.watched.now - NOTICED for name in names):
            self.steady.append(self.runs[-1])
        self.watched.run_next()
        return True


def act(model: Model, action: str, name: str, other: str) -> None:
    """Do one thing, if it is possible now."""
    path = model.path(name)
    there = name in model.content
    if model.away and (name[0] == "s" or (action == "rename" and other[0] == "s")):
        return
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
    elif action == "mount":
        model.mount()
    elif action == "restart":
        model.watched.restart()


LAST = [("wait", "x", "x", 16, True)] * 3
ACTIONS = (
    "begin",
    "finish",
    "write",
    "part",
    "delete",
    "delete",
    "restore",
    "rename",
    "mount",
    "restart",
)
STEPS = st.tuples(
    st.sampled_from(ACTIONS),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.sampled_from((0, 1, 16)),  # looks that follow
    st.booleans(),  # whether what waits is run then
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(STEPS, max_size=16))
def test_each_final_content_is_run_once(steps: list[tuple[str, str, str, int, bool]]) -> None:
    base = Path(tempfile.mkdtemp())
    watched = Watched(base, settle_s=SETTLE, late_s=100.0)
    try:
        model = Model(watched)
        for action, name, other, looks, run in [*steps, *LAST]:
            if action == "wait":
                if model.away:
                    model.mount()
                # Who runs what is gone, and puts it back before a look, is told so, and retries.
                watched.project.queue.retry()
            act(model, action, name, other)
            for _ in range(looks):
                watched.look()
                model.check_queued()
            while run and model.run():
                pass
        ran = {content for contents in model.runs for content in contents}
        for name in model.whole:
            assert model.content[name] in ran, f"{name} was missed"
        for name in model.content.keys() - model.whole:
            assert watched.seen()[f"{name}.mrc"] == "incomplete"
        assert len(model.steady) == len(set(model.steady)), "something was run twice"
    finally:
        watched.close()
        shutil.rmtree(base)
