"""The log file of a whole run: every event stands there once, whatever happens to the disk."""

from __future__ import annotations

import errno
import os

import pytest

from tomoline.queue.log import Log, line_of
from tomoline.queue.logfile import LogFile
from tomoline.queue.model import EventKind
from tomoline.queue.store import LOG, Store


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("anew", [False, True])
def test_what_a_full_disk_cut_short_is_written_again_and_nothing_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch, is_first: bool, anew: bool
) -> None:
    log = LogFile(store)
    store.add_event(EventKind.NOTICE, "first")
    if not is_first:
        log.append()
    store.add_event(EventKind.NOTICE, "second")
    write, room = os.write, [10]

    def write_some(file: int, content: bytes) -> int:
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, content[: room.pop()])

    monkeypatch.setattr(os, "write", write_some)
    with pytest.raises(OSError, match="No space left"):
        log.append()
    monkeypatch.undo()
    (LogFile(store) if anew else log).append()
    lines = (store.folder / LOG).read_text().splitlines()
    assert lines == [line_of(event) for event in Log(store).events()]
