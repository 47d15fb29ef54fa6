"""Errors of flats and darks."""

from tomoline.errors._kind import ErrorKind

KINDS: tuple[ErrorKind, ...] = ()
