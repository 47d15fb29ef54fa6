"""The options of IMOD's batchruntomo, and what each does here."""

from __future__ import annotations

from tomoline.cli._pip import PipOption


def _ignored(name: str, short: str, kind: str, why: str) -> PipOption:
    return PipOption(name, short, kind, why, acted_on=False)  # type: ignore[arg-type]


OPTIONS: tuple[PipOption, ...] = (
    PipOption(
        "DirectiveFile",
        "directive",
        "text",
        "Batch directive file: one for all data sets, or one for each. Arguments that are no "
        "options are such files as well.",
        repeats=True,
    ),
    PipOption(
        "RootName",
        "root",
        "text",
        "Root name of a data set, in place of the one in the directive file; repeat for more.",
        repeats=True,
    ),
    PipOption(
        "CurrentLocation",
        "current",
        "text",
        "Folder where the stack lies: one for all data sets, or one for each.",
        repeats=True,
    ),
    PipOption(
        "DeliverToDirectory",
        "deliver",
        "text",
        "The stack and what belongs to it are moved to DIR/ROOT, and the results made there.",
    ),
    PipOption("ProcessOneAxis", "one", "integer", "1 is the only axis that there is here."),
    PipOption(
        "CPUMachineList",
        "cpus",
        "text",
        "Number of cores of this machine; in a list of machines, the number behind this one's.",
    ),
    PipOption("NiceValue", "nice", "integer", "Niceness of the run; as it is if not given."),
    PipOption("LimitLocalThreads", "limit", "integer", "Limit on the number of cores."),
    PipOption(
        "CheckFile",
        "check",
        "text",
        "File that is read after each data set; F or Q in it ends the run there.",
    ),
    PipOption("EmailAddress", "email", "text", "A message goes there on failure and at the end."),
    PipOption(
        "SMTPserver",
        "SMTP",
        "text",
        "Host that sends the message; by default settings.toml's, else localhost.",
    ),
    PipOption(
        "ValidationType",
        "validation",
        "integer",
        "1 only checks the batch files, 2 only checks templates; -1 checks all the same.",
    ),
    PipOption("StartingStep", "start", "number", "Number of the step to start with."),
    PipOption("EndingStep", "end", "number", "Number of the step to end with."),
    PipOption("StartForFirstSetOnly", "first", "flag", "Only the first set starts at that step."),
    PipOption(
        "UseExistingAlignment",
        "use",
        "flag",
        "An alignment that is up to date is never made again before the starting step.",
    ),
    PipOption("ExitOnError", "exit", "flag", "Stop at the first data set that fails."),
    PipOption("StackExtension", "ext", "text", "Extension of the stacks; otherwise it is found."),
    _ignored("SingleOnFirstCPU", "single", "flag", "all work is done on this machine"),
    _ignored("GPUMachineList", "gpus", "text", "there are no kernels for graphics cards yet"),
    _ignored("RemoteDirectory", "remote", "text", "all work is done on this machine"),
    _ignored("NamingStyle", "naming", "integer", "files are named as by style 1"),
    _ignored("MakeComExtension", "make", "text", "no command files are made"),
    _ignored("BypassEtomo", "bypass", "flag", "Etomo is never run"),
    _ignored("EtomoDebug", "etomo", "integer", "Etomo is never run"),
)
