"""What faces and services do to a queue, in any order; the base of the queue's state machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_worker import FakeLauncher
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tomoline.errors import TomolineError
from tomoline.queue.control import Control
from tomoline.queue.model import BatchState, RunState
from tomoline.queue.project import Project

S = BatchState
PROCESSORS = 2
REFUSED = {"QUEUE-05", "QUEUE-06", "QUEUE-07", "PROJ-08", "PROJ-10"}
"""What a face may be told when it asks for something that makes no sense just now."""
MOST = 6
THICKNESS = "reconstruct.thickness_px"
PARTS = [("", "align"), ("align", ""), ("coarse_align", "track"), ("trim", "")]
"""Steps to start from and to stop after."""
RUN = "SELECT wanted, (SELECT count(*) FROM batch WHERE state = 'running') FROM run"


class Faces(RuleBasedStateMachine):
    """A project and those who ask something of it.

    Attributes
    ----------
    asked : set of str
        Data sets that somebody wants to be run.
    pixels : dict
        The parameter of each data set that has one of its own.
    """

    folder: Path
    project: Project
    control: Control
    launcher: FakeLauncher
    asked: set[str]
    pixels: dict[str, int]
    made: int

    def end_runner(self) -> None:
        """Have the runner end."""
        raise NotImplementedError

    def names(self) -> list[str]:
        return [entry.name for entry in self.project.data_sets.entries()]

    def ask(self, action: Callable[[], object]) -> bool:
        """Do something that may be refused, but only with a reason that we know."""
        try:
            action()
        except TomolineError as error:
            if error.code not in REFUSED:
                raise
            return False
        return True

    def pick(self, number: int) -> str:
        names = self.names()
        return names[number % len(names)]

    @rule()
    def another_machine_takes_over(self) -> None:
        """What was run there has ended; until somebody says so, nothing is touched."""
        self.end_runner()
        self.launcher.die_all()
        with self.project.store.write() as db:
            db.execute("UPDATE run SET host = 'elsewhere', birth = 'another boot:1'")
            wanted, running = db.execute(RUN).fetchone()
        if wanted != RunState.STOPPED or running:
            with pytest.raises(TomolineError, match="PROJ-07"):
                self.control.start()
        if not self.ask(lambda: self.control.resume(take_over=True)):  # nothing is left to do
            with self.project.store.write() as db:
                db.execute("UPDATE run SET host = ''")

    @precondition(lambda self: len(self.names()) < MOST)
    @rule(count=st.integers(1, 3))
    def add_and_run(self, count: int) -> None:
        paths = []
        for _ in range(count):
            self.made += 1
            paths.append(self.folder / f"TS_{self.made}.mrc")
            paths[-1].touch()
        names = [entry.name for entry in self.project.data_sets.add(paths)]
        self.control.start(names, processors=PROCESSORS, threads=1)
        self.asked.update(names)

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST))
    def run_again(self, number: int) -> None:
        name = self.pick(number)
        if self.ask(lambda: self.control.start([name])):
            self.asked.add(name)

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST), part=st.sampled_from(PARTS))
    def run_part_again(self, number: int, part: tuple[str, str]) -> None:
        name, (first, last) = self.pick(number), part
        if self.ask(lambda: self.control.start([name], first=first, last=last, any_step=True)):
            self.asked.add(name)

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST), only=st.sampled_from(["align", "track,align"]))
    def schedule_queues(self, number: int, only: str) -> None:
        self.queue_as_services_do(self.pick(number), only=only, origin="schedule nightly")

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST), top=st.booleans())
    def watch_queues(self, number: int, top: bool) -> None:
        self.queue_as_services_do(self.pick(number), last="trim", origin="watch raw", top=top)

    def queue_as_services_do(self, name: str, **how: Any) -> None:
        self.project.queue.add([self.project.data_sets.entry(name)], **how)
        self.asked.add(name)

    @rule()
    def run_all(self) -> None:
        if self.ask(self.control.start):
            self.asked.update(self.names())

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST), place=st.integers(1, MOST))
    def move(self, number: int, place: int) -> None:
        self.ask(lambda: self.project.queue.move([self.pick(number)], place))

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST))
    def top(self, number: int) -> None:
        self.ask(lambda: self.project.queue.top([self.pick(number)]))

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST))
    def take_out(self, number: int) -> None:
        name = self.pick(number)
        if self.ask(lambda: self.project.queue.take_out([name])):
            self.forget_unless_there(name)

    @rule(at_step=st.booleans())
    def pause(self, at_step: bool) -> None:
        self.ask(lambda: self.control.pause(at_step=at_step))

    @rule()
    def kill(self) -> None:
        self.ask(lambda: self.control.kill(wait=False))

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST))
    def kill_one(self, number: int) -> None:
        self.ask(lambda: self.control.kill([self.pick(number)], wait=False))

    @rule()
    def resume(self) -> None:
        if self.ask(self.control.resume):
            left = {one.state for one in self.project.queue.latest().values()}
            assert not left & {S.PAUSED, S.KILLED}

    @rule()
    def retry(self) -> None:
        self.ask(self.project.queue.retry)

    @precondition(lambda self: len(self.names()) > MOST // 2)
    @rule(number=st.integers(0, MOST))
    def reset(self, number: int) -> None:
        name = self.pick(number)
        if self.ask(lambda: self.control.reset([name])):
            self.asked.discard(name)

    @precondition(lambda self: len(self.names()) > MOST // 2)
    @rule(number=st.integers(0, MOST))
    def remove(self, number: int) -> None:
        name = self.pick(number)
        if self.ask(lambda: self.project.data_sets.remove([name])):
            self.asked.discard(name)
            self.pixels.pop(name, None)

    @precondition(lambda self: self.names())
    @rule(number=st.integers(0, MOST), pixels=st.integers(10, 400))
    def change_parameter(self, number: int, pixels: int) -> None:
        name = self.pick(number)
        self.project.data_sets.set([name], {THICKNESS: (pixels, "test")})
        self.pixels[name] = pixels

    @rule()
    def any_command(self) -> None:
        """Every command first notices a runner that is gone."""
        self.control.recover()

    def forget_unless_there(self, name: str) -> None:
        entry = self.project.data_sets.entry(name)
        kept = [one for one in self.project.queue.batches() if one.data_set == entry.id]
        if not any(one.state is not S.DROPPED for one in kept):
            self.asked.discard(name)
