"""Kills that cannot be written down, in any order with all else: what was killed stays so."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from fake_worker import FakeLauncher
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
)
from state_machines import run_in_any_order

from tomoline.errors import TomolineError
from tomoline.queue.control import Control
from tomoline.queue.log import explain_states
from tomoline.queue.model import BatchState
from tomoline.queue.permit import give_permit, withdraw_permit, write_down_kill
from tomoline.queue.project import Project
from tomoline.queue.runner import Runner
from tomoline.queue.store import Store

S = BatchState
TURNS = 50


class Night(RuleBasedStateMachine):
    """A project of three data sets, whose store cannot be written now and then."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tomoline-kills-"))
        self.project = Project.create(self.folder / "project")
        sources = [self.folder / name for name in ("one.mrc", "two.mrc", "three.mrc")]
        for source in sources:
            source.touch()
        self.project.data_sets.add(sources)
        self.ticks = 0.0
        self.killed = False
        self.launcher = FakeLauncher()
        self.launcher.before = self.refuse_if_killed
        self.runner: Runner | None = None
        self.runner_store: Store | None = None
        self.control = Control(
            self.project.store,
            ensure=lambda store: self.start_runner(),
            alive=lambda store: None if self.runner is None else 1,
        )
        self.control.start()
        self.turn()

    def refuse_if_killed(self) -> None:
        assert not self.killed, "something begins, although all was killed"

    def start_runner(self) -> int:
        if self.runner is None:
            self.runner_store = Store.open(self.project.folder)
            write_down_kill(self.runner_store)  # as every runner does
            with self.runner_store.write() as db:
                give_permit(self.runner_store)
                db.execute("UPDATE run SET pid = 1, birth = 'fake', host = ''")
            self.runner = Runner(
                self.runner_store,
                self.launcher,
                ticks=lambda: self.ticks,
                machine=lambda: (2, 16 << 30),
            )
            self.runner.begin()
        return 1

    @rule()
    def start(self) -> None:
        self.killed = False
        self.control.start()

    @rule()
    def resume(self) -> None:
        was, self.killed = self.killed, False
        try:
            self.control.resume()
        except TomolineError:
            self.killed = was

    @rule()
    def pause(self) -> None:
        with suppress(TomolineError):
            self.control.pause(at_step=True)

    @rule()
    def look(self) -> None:
        """A command of any kind."""
        self.control.recover()

    @rule()
    def turn(self) -> None:
        if self.runner is not None:
            self.ticks += 0.5
            if not self.runner.turn():
                self.let_runner_go()
            self.launcher.check()

    @precondition(lambda self: self.launcher.living)
    @rule()
    def finish(self) -> None:
        self.launcher.living[0].finish()

    @precondition(lambda self: self.runner is not None)
    @rule()
    def let_runner_go(self) -> None:
        """It ends, or dies."""
        assert self.runner_store is not None
        self.runner_store.close()
        self.runner = self.runner_store = None

    @precondition(lambda self: not self.killed)
    @rule(looks=st.booleans(), turns=st.integers(0, 3))
    def kill_without_store(self, looks: bool, turns: int) -> None:
        """What a kill does where nothing can be written, and what may come next."""
        assert withdraw_permit(self.project.folder)
        self.killed = True
        if self.runner is not None:
            self.let_runner_go()
        self.launcher.die_all()
        if looks:
            self.look()
        for _ in range(turns):
            self.turn()

    def teardown(self) -> None:
        if not hasattr(self, "control"):
            return
        try:
            self.control.recover()
            self.start()
            for _ in range(TURNS):
                while self.launcher.living:
                    self.finish()
                self.turn()
            states = [one.state for one in self.project.queue.latest().values()]
            assert states == [S.FINISHED] * 3
            explained = explain_states(self.project.log.events())
            with self.project.store.read() as db:
                rows = db.execute("SELECT id, state FROM batch").fetchall()
            assert explained == {row["id"]: row["state"] for row in rows}
        finally:
            self.launcher.die_all()
            if self.runner is not None:
                self.let_runner_go()
            self.project.close()
            shutil.rmtree(self.folder)


def test_what_was_killed_stays_so_and_nothing_is_lost() -> None:
    run_in_any_order(Night, nights=50, steps=20)
