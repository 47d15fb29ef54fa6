"""Errors of reconstructing and writing a volume."""

from tomoline.errors._kind import ErrorKind

KINDS: tuple[ErrorKind, ...] = ()
