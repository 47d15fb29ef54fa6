"""``tomoline batchruntomo``: IMOD's own options, so that a site's scripts go on working."""

from __future__ import annotations

import os
import socket
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.cli._batch_options import OPTIONS
from tomoline.cli._batch_stacks import around, find_stack, identity_of
from tomoline.cli._output import warn
from tomoline.cli._pip import PipValues, parse, parse_lines
from tomoline.errors import Faults, Notice, TomolineError

if TYPE_CHECKING:
    from tomoline.cli.run import Request
    from tomoline.queue.user_settings import MailSettings

SECOND_AXIS = 100
MOST_FAILURES = 255


@dataclass(frozen=True)
class DataSetJob:
    """One data set of a batch: what a run needs to know of it."""

    root: str
    stack: Path
    deliver: Path
    moves: bool
    directives: Path | None
    first: str | None
    last: str | None
    threads: int | None

    def request(self) -> Request:
        """Return what ``tomoline run`` would be asked for."""
        from tomoline.cli.run import Request

        return Request(
            path=self.stack,
            root=self.root,
            deliver=self.deliver,
            directives=(self.directives,) if self.directives else (),
            settings=("setup.delivery=move",) if self.moves else (),
            first=self.first,
            last=self.last,
            threads=self.threads,
        )


def run_batchruntomo(
    arguments: Sequence[str], execute: Callable[[Sequence[Request]], int] | None = None
) -> int:
    """Run data sets one after another with batchruntomo's options.

    Parameters
    ----------
    arguments : sequence of str
        The command line.
    execute : callable, optional
        Runs requests and returns how many failed; ``tomoline run``'s by default.

    Returns
    -------
    int
        Number of data sets that failed; the exit status.

    Raises
    ------
    Faults
        If the options cannot be used; nothing is run then.
    """
    if not arguments or arguments[0] in ("-h", "-help", "--help"):
        sys.stdout.write(usage())
        return 0
    if arguments[0].lower().startswith("-standard"):
        values = parse_lines(sys.stdin, OPTIONS)
    else:
        values = parse(arguments, OPTIONS)
    warn(notices_of(values))
    kind = values.number("ValidationType")
    if kind in (1, 2):
        return _validate(values, templates=kind == 2)
    jobs, failures = plan(values)
    for failure in failures:
        sys.stderr.write(f"{failure}\n")
    nice = values.number("NiceValue")
    if nice is not None and nice > 0:
        os.nice(int(nice))
    if failures and values.flag("ExitOnError"):
        return len(failures)
    if execute is None:
        from tomoline.cli.run import execute_all

        execute = execute_all
    return min(len(failures) + _run(jobs, values, execute), MOST_FAILURES)


def usage() -> str:
    """Return the list of options, as text."""
    lines = [
        "Usage: tomoline batchruntomo [OPTIONS] [DIRECTIVE FILE]...",
        "Runs data sets with the options of IMOD's batchruntomo. Options may be abbreviated.",
        "",
    ]
    for option in OPTIONS:
        text = option.help if option.acted_on else f"Taken, without effect: {option.help}."
        lines.append(f"  -{option.short}  {option.name}")
        lines += textwrap.wrap(text, 92, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return "\n".join(lines) + "\n"


def notices_of(values: PipValues) -> list[Notice]:
    """Return a notice for each option that has no effect."""
    kind = errors.parameters.OPTION_NOT_ACTED_ON
    found = [
        kind.notice(f"-{option.short}", f"{option.help}.")
        for option in OPTIONS
        if not option.acted_on and option.name in values.given
        if not (option.name == "NamingStyle" and values.text("NamingStyle") == "1")
    ]
    if values.number("ValidationType") == -1:
        found.append(kind.notice("-validation", "directives are always checked."))
    machines = values.text("CPUMachineList")
    if machines is not None and not machines.isdigit() and cores_of(machines) is None:
        found.append(kind.notice("-cpus", f"this machine is not in the list {machines}."))
    return found


def cores_of(machines: str, host: str | None = None) -> int | None:
    """Return how many cores of this machine a list of machines gives, None where it is absent.

    >>> cores_of("8"), cores_of("druid:4,tubule:2", host="tubule.lab.org")
    (8, 2)
    """
    if machines.isdigit():
        return int(machines)
    name = (socket.gethostname() if host is None else host).split(".")[0]
    for part in machines.split(","):
        machine, _, cores = part.strip().replace("#", ":").partition(":")
        if machine.split(".")[0] in ("localhost", name):
            return int(cores) if cores.isdigit() else 1
    return None


def plan(values: PipValues) -> tuple[list[DataSetJob], list[TomolineError]]:
    """Return the data sets that the options ask for, and why others cannot be run.

    Raises
    ------
    Faults
        With all that is wrong with the options together; nothing can be run then.
    """
    faults: list[TomolineError] = []
    files = [Path(text) for text in (*values.texts("DirectiveFile"), *values.arguments)]
    roots = values.texts("RootName")
    places = values.texts("CurrentLocation")
    deliver = values.text("DeliverToDirectory")
    count = max(len(roots), len(files))
    if count == 0:
        faults.append(_fault("-directive", "there is neither a directive file nor a root name."))
    if roots and len(files) not in (0, 1, len(roots)):
        text = f"there are {len(files)} directive files for {len(roots)} root names."
        faults.append(_fault("-directive", text))
    if len(places) not in (0, 1, count):
        faults.append(_fault("-current", f"there are {len(places)} folders for {count} data sets."))
    start = values.number("StartingStep")
    if start is not None and start >= SECOND_AXIS:
        faults.append(_fault("-start", "data sets have one axis here; a second has no steps."))
    if values.text("ProcessOneAxis") not in (None, "1"):
        faults.append(_fault("-one", "data sets have one axis here, which is 1."))
    if faults:
        raise Faults(faults)
    jobs: list[DataSetJob] = []
    for number in range(count):
        batch = files[number if len(files) > 1 else 0] if files else None
        place = places[number if len(places) > 1 else 0] if places else None
        try:
            root, folder, extension = identity_of(
                roots[number] if roots else None, place, batch, values
            )
            stack = find_stack(root, folder, extension, Path(deliver) if deliver else None, batch)
        except TomolineError as fault:
            faults.append(fault)
            continue
        first_only = values.flag("StartForFirstSetOnly") and number > 0
        jobs.append(
            DataSetJob(
                root=root,
                stack=stack,
                deliver=Path(deliver) if deliver else around(folder, root),
                moves=deliver is not None,
                directives=batch,
                first=None if first_only else values.text("StartingStep"),
                last=values.text("EndingStep"),
                threads=_threads(values),
            )
        )
    return jobs, faults


def _threads(values: PipValues) -> int | None:
    machines, limit = values.text("CPUMachineList"), values.number("LimitLocalThreads")
    counts = [count for count in (cores_of(machines) if machines else None, limit) if count]
    return max(1, int(min(counts))) if counts else None


def _run(
    jobs: Sequence[DataSetJob], values: PipValues, execute: Callable[[Sequence[Request]], int]
) -> int:
    check = Path(values.text("CheckFile") or f"batchruntomo.{os.getpid()}.input")
    mail = mail_settings(values)
    failed: list[str] = []
    done = 0
    for job in jobs:
        if done and stops(check):
            sys.stderr.write(f"{check} ends the run after {done} of {len(jobs)} data sets.\n")
            break
        done += 1
        if execute([job.request()]):
            failed.append(job.root)
            _send(mail, f"data set {job.root} failed", str(job.stack))
            if values.flag("ExitOnError"):
                break
    title = f"{done - len(failed)} of {len(jobs)} data sets finished"
    _send(mail, title, "\n".join(f"failed: {root}" for root in failed))
    return len(failed)


def mail_settings(values: PipValues) -> MailSettings | None:
    """Return how messages are sent: by the server named, the user's own, or this machine's.

    Raises
    ------
    Faults
        MAIL-01 if the user's settings are asked for and cannot be used.
    """
    from tomoline.queue.user_settings import MailSettings, read_settings

    address, server = values.text("EmailAddress"), values.text("SMTPserver")
    if not address:
        return None
    if server is None:
        own = read_settings().mail
        if own.server:
            return replace(own, to=(address,))
    host, _, port = (server or "localhost").partition(":")
    return MailSettings(
        server=host, port=int(port) if port.isdigit() else 0, tls="none", to=(address,)
    )


def _send(mail: MailSettings | None, title: str, text: str) -> None:
    """Send a message; a run does not fail because that cannot be done."""
    from tomoline.queue.notify import send_mail

    if mail is None:
        return
    try:
        warn(send_mail(mail, title, text))
    except TomolineError as error:
        warn([Notice(error.code, error.where, error.found, error.remedy)])


def stops(check: Path) -> bool:
    """Whether a check file asks to stop: its first letter is F or Q."""
    try:
        return check.read_text(encoding="utf-8", errors="replace").lstrip()[:1] in ("F", "Q")
    except OSError:
        return False


def _validate(values: PipValues, *, templates: bool) -> int:
    from tomoline.cli.check import check

    files = [Path(text) for text in (*values.texts("DirectiveFile"), *values.arguments)]
    return check(files, template="system" if templates else None)


def _fault(where: str, found: str) -> TomolineError:
    return errors.parameters.BAD_OPTION.error(where, found)
