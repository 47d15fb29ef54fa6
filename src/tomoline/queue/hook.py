"""Calling the user's own command when something happens."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.errors import Notice
from tomoline.queue.store import to_json
from tomoline.queue.user_settings import HookSettings

TOLD_BYTES = 300
"""How much of what a command said is told when it fails."""


def run_hook(settings: HookSettings, occasion: str, facts: Mapping[str, Any]) -> Notice | None:
    """Call the command hook, and wait for it.

    It is run without a shell, in the project's folder, with ``TOMOLINE_EVENT``,
    ``TOMOLINE_PROJECT``, ``TOMOLINE_DATA_SET``, ``TOMOLINE_STATE`` and ``TOMOLINE_CODE`` in its
    environment and all that is known on its standard input, as JSON.

    Parameters
    ----------
    settings : HookSettings
        The command.
    occasion : str
        What happened.
    facts : mapping
        All about it; ``project``, the folder, ``data_set``, ``state`` and ``code`` are expected.

    Returns
    -------
    Notice or None
        MAIL-04 if it failed, could not be started, or took too long and was killed.
    """
    words = shlex.split(settings.command)
    where = words[0]
    environment = os.environ | {
        f"TOMOLINE_{name.upper()}": _word(facts.get(name, ""))
        for name in ("project", "data_set", "state", "code")
    }
    environment["TOMOLINE_EVENT"] = occasion
    kind = errors.notify.HOOK_FAILED
    told = {"event": occasion, **facts}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as given:
        given.write(to_json(told).encode("utf-8", "backslashreplace") + b"\n")
        given.seek(0)
        try:
            process = subprocess.Popen(
                [str(Path(where).expanduser()), *words[1:]],
                stdin=given,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=facts.get("project") or None,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return kind.notice(where, f"it cannot be started: {error.strerror}.")
        with process:
            try:
                status = process.wait(timeout=settings.timeout_s)
            except subprocess.TimeoutExpired:
                _kill(process)
                return kind.notice(where, f"it was killed after {settings.timeout_s:g} s.")
        if status == 0:
            return None
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - TOLD_BYTES))
        said = " ".join(output.read().decode("utf-8", "replace").split())
        ended = f"signal {-status}" if status < 0 else f"status {status}"
        return kind.notice(where, f"it ended with {ended}{f': {said}' if said else ''}.")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command with all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _word(value: Any) -> str:
    """Return a value as the environment can hold it."""
    return str(value).replace("\0", "").encode("utf-8", "backslashreplace").decode("utf-8")
