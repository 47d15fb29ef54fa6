"""What a batch project of Etomo says that has no counterpart, told in few lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tomoline.errors import Notice, TomolineError
from tomoline.errors.project import ETOMO_NOT_ACTED_ON
from tomoline.files import com
from tomoline.files.ebt import BatchProject, Property

NO_MATTER = (
    "ProjectLog.",
    "Version.",
    "ref.",
    "datasetTableHeader",
    "dataset.header",
    "dataset.Postprocessing.header",
)
"""Beginnings of names that are about windows and versions."""
ELSEWHERE = frozenset(
    "RootName DeliverToDirectory Status BrowsingDirectory Delivered dataset "
    "EndingStep.EarliestRun EnableStartingStep StartingStep EndingStep StartingStep.Use "
    "EndingStep.Use ImageFile.ImageFilenameStyle InputDirectiveFile".split()
)
"""Names that are acted on, told by a sentence of their own, or say where Etomo's window was."""
WATCHER = "SeriesWatcher."
DIALOG = "dataset."
COMPUTING = (
    "MaxGPUsForOneJob",
    "NumberOfJobsToMake",
    "Queue.",
    "SplitBatch",
    "Use.",
)
"""Beginnings of names that say on which machines Etomo runs."""
NOTHING = frozenset(("", "false"))
ROW_STATE = (
    "DatasetStatus",
    "EndingStep",
    "Etomo.",
    "Rec.",
    "Log.",
    "ProjLog.",
    "ImageStack.",
    "Tomogram.Done",
    "Trimvol.Done",
    "RunStatus",
    "Cur.",
    "dual.",
    "Run.",
    "dataset",
)
"""Beginnings of names in a row that say how far Etomo has got, and what its dialog remembers."""
COMMAND_ELSEWHERE = frozenset(
    "DirectiveFile RootName CurrentLocation DeliverToDirectory NamingStyle CheckFile EtomoDebug "
    "MakeComExtension BypassEtomo StartingStep EndingStep".split()
)
"""Options of batchruntomo that say nothing, or nothing that the .ebt file does not."""

MAIL = {
    "EmailAddress": "Send messages there with 'tomoline mail --project NAME --to {}'.",
    "SMTPserver": "Set it once for all projects; 'tomoline mail' tells in which file.",
}
"""Options of batchruntomo about messages, and what to do about each."""


def told(batch: BatchProject, folder: Path, *, has_values: bool) -> list[Notice]:
    """Return what to tell of a batch project.

    Parameters
    ----------
    batch : BatchProject
        What its file says.
    folder : Path
        The folder of the file.
    has_values : bool
        Whether the batch file with the values for all stacks is there.
    """
    notices = []
    if not has_values:
        found = f"there is no {batch.root}.adoc beside it, so nothing is known of global values."
        text = "Set them with 'tomoline project set', or save the project in Etomo again."
        notices.append(ETOMO_NOT_ACTED_ON.notice(batch.path, found, text))
    notices += _of_settings(batch)
    notices += _of_rows(batch)
    notices += _of_command(batch, folder)
    return notices


def _of_settings(batch: BatchProject) -> Iterator[Notice]:
    plain = [Property(one.key.removeprefix("meta."), one.value, one.line) for one in batch.others]
    said = {one.key: one.value for one in plain}
    for step, option in (("StartingStep", "--from"), ("EndingStep", "--until")):
        if said.get(f"{step}.Use") == "true" and said.get(step):
            found = f"Etomo's {step} is {said[step]}."
            text = f"Run it with 'tomoline run {option} {said[step]}'."
            yield ETOMO_NOT_ACTED_ON.notice(batch.path, found, text)
    style = said.get("ImageFile.ImageFilenameStyle", "MRC")
    if style != "MRC":
        yield ETOMO_NOT_ACTED_ON.notice(
            batch.path, f"files have names of the style {style} in Etomo, of the style MRC here."
        )
    if said.get("InputDirectiveFile"):
        found = f"Etomo took its first values from {said['InputDirectiveFile']}."
        yield ETOMO_NOT_ACTED_ON.notice(batch.path, found, "They are in its batch files, too.")
    if said.get(f"{WATCHER}Use") == "true":
        directory = said.get(f"{WATCHER}WatchDirectory") or "DIR"
        settings = _listed(plain, (WATCHER,))
        age = said.get(f"{WATCHER}MinimumAgeOfStacks", "").removesuffix(".0")
        settle = f" --settle {age}" if age else ""
        yield ETOMO_NOT_ACTED_ON.notice(
            batch.path,
            f"Etomo watches a folder for new stacks ({settings}).",
            f"Do the same with 'tomoline watch {directory} --recipe tilt{settle}'.",
        )
    if dialog := _listed(plain, (DIALOG,)):
        yield ETOMO_NOT_ACTED_ON.notice(
            batch.path,
            f"Etomo's dialog remembers {dialog}.",
            "What is in use of it stands in the batch files, which are read.",
        )
    if computing := _listed(plain, COMPUTING):
        yield ETOMO_NOT_ACTED_ON.notice(
            batch.path,
            f"how Etomo shares out the work ({computing}) is not taken over.",
            "Set --processors, --threads and --memory of 'tomoline run'.",
        )
    known = (*NO_MATTER, WATCHER, DIALOG, *COMPUTING)
    rest = [one for one in plain if one.key not in ELSEWHERE]
    if unknown := _listed([one for one in rest if not one.key.startswith(known)], ("",)):
        yield ETOMO_NOT_ACTED_ON.notice(batch.path, f"nothing is done about {unknown}.")


def _listed(settings: Sequence[Property], starts: tuple[str, ...]) -> str:
    """List settings that ask for something."""
    return ", ".join(
        f"{one.key} = {one.value}"
        for one in settings
        if one.key.startswith(starts)
        and one.value not in NOTHING
        and not one.key.startswith(NO_MATTER)
        and one.key not in ELSEWHERE
    )


def _of_rows(batch: BatchProject) -> Iterator[Notice]:
    if batch.removed:
        yield ETOMO_NOT_ACTED_ON.notice(
            batch.path, f"taken out of Etomo's table, and not added: {', '.join(batch.removed)}."
        )
    unknown = [
        f"{name} = {value} ({row.name})"
        for row in batch.rows
        for name, value in row.others.items()
        if value not in NOTHING and not name.startswith(ROW_STATE)
    ]
    if unknown:
        yield ETOMO_NOT_ACTED_ON.notice(batch.path, f"nothing is done about {', '.join(unknown)}.")
    done = [
        row.name
        for row in batch.rows
        if row.others.get("DatasetStatus") or row.others.get("Tomogram.Done") == "true"
    ]
    if done:
        yield ETOMO_NOT_ACTED_ON.notice(
            batch.path,
            f"Etomo has run {', '.join(done)}; what it made is not taken for a result here.",
            "Nothing, if they are to be run; results go to folders of their own.",
        )


def _of_command(batch: BatchProject, folder: Path) -> Iterator[Notice]:
    path = folder / f"{batch.root}.com"
    if not path.is_file():
        return
    try:
        commands = com.read(path)
    except TomolineError as fault:
        yield ETOMO_NOT_ACTED_ON.notice(path, f"the command file cannot be read: {fault.found}")
        return
    options = [
        one for command in commands if command.program == "batchruntomo" for one in command.options
    ]
    for name, value in options:
        if name in MAIL:
            yield ETOMO_NOT_ACTED_ON.notice(path, f"{name} is {value}.", MAIL[name].format(value))
    others = [
        f"{name} {value}".rstrip()
        for name, value in options
        if name not in COMMAND_ELSEWHERE and name not in MAIL
    ]
    if others:
        yield ETOMO_NOT_ACTED_ON.notice(
            path,
            f"options of batchruntomo are not taken over: {', '.join(others)}.",
            "Set --processors, --threads and --memory of 'tomoline run'.",
        )
