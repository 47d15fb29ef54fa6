"""Fingerprints: whether a step is up to date.

A step's fingerprint covers its parameters, the identities of the artifacts that it reads, and its
code version. An artifact's identity is its content: a digest of all of it for small files; for
large ones a digest of samples together with the fingerprint of the step that wrote it. So a file
that another program has changed gets another identity, and what was made from it is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WHOLE_BYTES = 4 << 20
_SAMPLES = 128
_SAMPLE_BYTES = 32 << 10


def digest(path: Path) -> str:
    """Return a digest of a file's content: all of it up to 4 MiB, else 128 samples and the size.

    Of a folder it is that of the names and sizes of the files in it.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    if path.is_dir():
        files = sorted(one for one in path.rglob("*") if one.is_file())
        return _hash([(str(one.relative_to(path)), one.stat().st_size) for one in files])
    size = path.stat().st_size
    state = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            state.update(file.read())
        else:
            step = (size - _SAMPLE_BYTES) / (_SAMPLES - 1)
            for sample in range(_SAMPLES):
                file.seek(int(sample * step))
                state.update(file.read(_SAMPLE_BYTES))
    return state.hexdigest()[:32]


def identity(path: Path, content: str, fingerprint: str) -> str:
    """Return the identity of an artifact with digest `content` that a step has written."""
    if path.is_file() and path.stat().st_size <= WHOLE_BYTES:
        return content
    return _hash({"content": content, "fingerprint": fingerprint})


def step_fingerprint(
    name: str, code_version: int, parameters: Mapping[str, Any], inputs: Mapping[str, str]
) -> str:
    """Return the fingerprint of a step.

    Parameters
    ----------
    name, code_version
        Of the step.
    parameters : mapping
        JSON-ready parameters.
    inputs : mapping
        Identity of each artifact that it reads.
    """
    return _hash(
        {"step": name, "code": code_version, "parameters": parameters, "inputs": dict(inputs)}
    )


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
