"""Running a state machine of hypothesis in a part of the tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def run_in_any_order(machine: type[RuleBasedStateMachine], *, nights: int, steps: int) -> None:
    """Do what a machine can do in so many orders, of so many steps each: always the same ones.

    Whoever hunts for more takes `derandomize` out, and asks for more nights.
    """
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=nights,
            stateful_step_count=steps,
            derandomize=True,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
