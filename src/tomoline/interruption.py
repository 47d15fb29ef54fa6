"""Being told to stop: it comes as ``KeyboardInterrupt``, wherever the program is, and only once.

Python raises it between any two instructions, so also within a destructor or a callback of a
library, where exceptions are printed and forgotten: the library would be heard of, and the order
to stop lost. Half-made objects that are destroyed on the way out are heard of in the same way.
"""

from __future__ import annotations

import atexit
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_S = 0.05
"""After how long an order that was lost in a destructor is given again."""


def stop_quietly(number: int = signal.SIGINT, again: bool = True) -> None:
    """Let a signal raise ``KeyboardInterrupt``, and hush what is destroyed half-made after it.

    Where the signal is ignored already, as in a command that a shell has put into the background,
    SIGINT stays ignored. Call it from the main thread.

    Parameters
    ----------
    number
        The signal.
    again
        Whether it may come a second time; otherwise it is ignored once it has come, so that the
        end is not cut short.
    """
    if number == signal.SIGINT and signal.getsignal(number) is not signal.default_int_handler:
        return

    def stop(number: int, frame: FrameType | None) -> None:
        if not again:
            signal.signal(number, signal.SIG_IGN)
        sys.unraisablehook = _not_told
        raise KeyboardInterrupt

    signal.signal(number, stop)
    # When all is done and only the interpreter is left to take apart, it has ended well.
    atexit.register(signal.signal, number, signal.SIG_IGN)


def _not_told(lost: UnraisableHookArgs) -> None:
    """Say nothing of what breaks on the way out; give an order that was lost again."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.default_int_handler)
        here = threading.get_ident()  # the main thread: no other one gets this exception
        once_more = threading.Timer(AGAIN_S, signal.pthread_kill, (here, signal.SIGINT))
        once_more.daemon = True
        once_more.start()
