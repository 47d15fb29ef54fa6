"""Errors of registering distances and of joining the halves of a full turn."""

from tomoline.errors._kind import ErrorKind

KINDS: tuple[ErrorKind, ...] = ()
