"""Errors of finding and reading a scan: parameter files, frames, geometry."""

from tomoline.errors._kind import ErrorKind

KINDS: tuple[ErrorKind, ...] = ()
