"""Running the command as a user does, and looking at what it left."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-c", "from tomoline.cli.main import main; main()"]
TIMEOUT_S = 300
# What says when and how long is different in every run; the rest may not be.
CHANGING = (".tomoline.json", ".log", ".lock", "_report.html")


def tomoline(
    *arguments: str | Path, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*prefix, *COMMAND, *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """Start the command, to be killed."""
    return subprocess.Popen(
        [*COMMAND, *(str(argument) for argument in arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def succeed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command, which must succeed."""
    done = tomoline(*arguments)
    assert done.returncode == 0, done.stderr
    return done


def shown(folder: Path) -> dict[str, Any]:
    """Return what ``tomoline show --json`` prints."""
    document: dict[str, Any] = json.loads(succeed("show", folder, "--json").stdout)
    return document


def values(document: dict[str, Any], step: str) -> dict[str, Any]:
    """Return the values of a step."""
    return next(one["values"] for one in document["steps"] if one["name"] == step)


def content(folder: Path) -> dict[str, str]:
    """Return a digest of every result in a folder, by name."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(CHANGING)
    }


def copy_series(stack: Path, folder: Path) -> Path:
    """Copy a stack and what lies beside it into a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in stack.parent.glob(f"{stack.stem}*"):
        if path.is_file():
            shutil.copy(path, folder)
    return folder / stack.name
