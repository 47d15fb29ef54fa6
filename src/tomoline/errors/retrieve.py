"""Errors of phase retrieval."""

from tomoline.errors._kind import ErrorKind

KINDS: tuple[ErrorKind, ...] = ()
