"""Telling copies: acquisitions of the same name with the same content, and links to one file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

_PIECE = 64 << 10


def content_of(paths: Sequence[str]) -> str:
    """Return a word that files of the same size, beginning and end have in common.

    Raises
    ------
    OSError
        If one of them cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest.update(f"{size}\n".encode())
            digest.update(file.read(_PIECE))
            if size > _PIECE:
                file.seek(max(size - _PIECE, _PIECE))
                digest.update(file.read(_PIECE))
    return digest.hexdigest()


def same_content(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two acquisitions are copies; what cannot be read is none."""
    if len(one) != len(other):
        return False
    try:
        return content_of(one) == content_of(other)
    except OSError:
        return False
