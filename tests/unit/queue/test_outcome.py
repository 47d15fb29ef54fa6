"""What follows from how a process ended, where the runner's tests see no difference."""

from __future__ import annotations

from typing import Any

from tomoline.queue.model import Batch, BatchState
from tomoline.queue.outcome import End, outcome

S = BatchState
NOW = 100.0


def batch(**fields: Any) -> Batch:
    usual = dict.fromkeys(Batch.__annotations__, "") | {"id": 1, "retries": 0, "alone": False}
    return Batch(**(usual | {"state": S.RUNNING, "name": "TS", "attempt": 1} | fields))


def failed(**facts: Any) -> dict[str, Any]:
    return {"state": "failed", "code": "RUN-08", "where": "", "found": "", "remedy": ""} | facts


def test_the_last_wait_holds_for_all_later_tries() -> None:
    result = outcome(batch(retries=2), End(failed(transient=True)), 9, NOW, (5.0, 20.0))
    assert result.fields["not_before"] == NOW + 20.0
    assert result.fields["retries"] == 3


def test_threads_are_halved_as_long_as_there_are_several() -> None:
    end = End(failed(memory=True), threads=8, more_memory=True)
    assert outcome(batch(), end, 3, NOW).fields["threads"] == 4


def test_without_memory_alone_it_fails_and_is_not_tried_as_what_may_pass() -> None:
    """Tried again, it would take all the memory from the others each time."""
    for more_memory, alone in ((False, False), (False, True), (True, True)):
        end = End(failed(memory=True, transient=True), more_memory=more_memory)
        assert outcome(batch(alone=alone), end, 3, NOW).state is S.FAILED


def test_what_has_finished_says_of_no_step_that_it_runs() -> None:
    result = outcome(batch(step="align", label="fit"), End({"state": "finished"}), 3, NOW)
    assert result.state is S.FINISHED
    assert (result.fields["step"], result.fields["label"]) == ("", "")


def test_one_that_takes_the_runner_along_time_and_again_is_set_aside() -> None:
    """As where all of a cgroup is ended for the memory of one process."""
    gone = End(None, witnessed=False)
    for attempt in (1, 19):
        result = outcome(batch(attempt=attempt), gone, 3, NOW)
        assert (result.state, result.fields) == (S.WAITING, {})
    result = outcome(batch(attempt=20), gone, 3, NOW)
    assert (result.state, result.fields["retries"]) == (S.WAITING, 1)
    result = outcome(batch(attempt=23, retries=3), gone, 3, NOW)
    assert (result.state, result.code) == (S.FAILED, "QUEUE-02")
