"""An order to stop ends the program at whatever moment it comes, and nothing else is heard."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

BEGIN = """
import os, signal, sys, time
from tomoline.interruption import stop_quietly

number = signal.Signals[sys.argv[1]]
stop_quietly(number, again=number == signal.SIGINT)

class Half:
    def __del__(self):
        {destroy}

try:
    {run}
    time.sleep(20)
except KeyboardInterrupt:
    print("stopped")
"""


def said(number: signal.Signals, *, destroy: str, run: str) -> tuple[str, str]:
    """Return what a program prints that is told to stop while it does something."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN.format(destroy=destroy, run=run), number.name],
        capture_output=True,
        text=True,
        timeout=15,
    )
    return done.stdout, done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_destroyed_half_made_is_not_heard_of(number: signal.Signals) -> None:
    destroy = "raise AttributeError('half made')"
    assert said(number, destroy=destroy, run="half = Half(); os.kill(os.getpid(), number)") == (
        "stopped\n",
        "",
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_order_that_comes_within_a_destructor_is_not_lost(number: signal.Signals) -> None:
    destroy = "os.kill(os.getpid(), number); time.sleep(0.1)"
    assert said(number, destroy=destroy, run="half = Half(); del half") == ("stopped\n", "")


@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGINT, "cut short\n"), (signal.SIGTERM, "went on\nstopped\n")]
)
def test_only_who_may_be_told_twice_is_cut_short(number: signal.Signals, told: str) -> None:
    run = """
    try:
        os.kill(os.getpid(), number); time.sleep(20)
    except KeyboardInterrupt:
        try:
            os.kill(os.getpid(), number); time.sleep(0.1)
        except KeyboardInterrupt:
            print("cut short"); raise SystemExit
        print("went on"); raise"""
    assert said(number, destroy="pass", run=run) == (told, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_only_the_interpreter_is_left_to_end_it_ends_well(number: signal.Signals) -> None:
    program = f"""
import os
from tomoline.interruption import stop_quietly

class Last:
    def __del__(self, kill=os.kill, own=os.getpid()):
        kill(own, {int(number)})

last = Last()
stop_quietly({int(number)})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_order_to_end_is_not_lost_where_ctrl_c_is_ignored() -> None:
    destroy = "os.kill(os.getpid(), number); time.sleep(0.1)"
    run = "signal.signal(signal.SIGINT, signal.SIG_IGN); half = Half(); del half"
    assert said(signal.SIGTERM, destroy=destroy, run=run) == ("stopped\n", "")


def test_without_an_order_faults_of_destructors_are_heard_of() -> None:
    destroy = "raise AttributeError('half made')"
    run = "half = Half(); del half; raise KeyboardInterrupt"
    assert "half made" in said(signal.SIGINT, destroy=destroy, run=run)[1]


def test_a_program_in_the_background_is_not_told_to_stop() -> None:
    program = (
        "import signal; from tomoline.interruption import stop_quietly\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "stop_quietly(); signal.raise_signal(signal.SIGINT); print('went on')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "went on\n"
