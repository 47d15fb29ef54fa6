"""Errors of running a recipe: data sets, steps, memory."""

from tomoline.errors._kind import ErrorKind

NO_MEMORY = ErrorKind(
    "RUN-01",
    "memory limit too small",
    "The smallest piece of a step's work must fit the memory limit.",
    "Give a higher --memory, or reduce the size: binning or thickness of a tilt series, "
    "scan.region or slices.size_px of a scan.",
)
MISSING_INPUT = ErrorKind(
    "RUN-02",
    "a step's input is missing",
    "A step can start only when the files it reads exist.",
    "Start from an earlier step with --from, or put the named file in place.",
)
OTHER_RESULT = ErrorKind(
    "RUN-03",
    "destination already holds another result",
    "Data are never delivered onto another result of the same name.",
    "Choose another folder with --deliver, in a project with 'tomoline project add PATH --folder "
    "DIR', or move the old result away.",
)
BAD_RECORD = ErrorKind(
    "RUN-04",
    "data set record cannot be read",
    "The record ROOT.tomoline.json must be whole and of a known version.",
    "Use the version of tomoline that wrote it, or begin anew: move the folder of results away, in "
    "a project with 'tomoline reset NAME'.",
)
NO_DATA_SET = ErrorKind(
    "RUN-05",
    "no data set here",
    "The folder of a data set holds its ROOT.tomoline.json.",
    "Give the folder DIR/ROOT that 'tomoline run' named.",
)
BUSY = ErrorKind(
    "RUN-06",
    "data set is being processed",
    "Only one run at a time may work on a data set.",
    "Wait for the other run, or stop it.",
)
INTERRUPTED = ErrorKind(
    "RUN-07",
    "interrupted",
    "A run ends when it is told to.",
    "Run the same command again: finished steps are kept.",
)
INTERNAL = ErrorKind(
    "RUN-99",
    "a fault in tomoline itself",
    "This should not happen.",
    "Report it with the log file of the data set; results of finished steps are kept.",
)
OUT_OF_MEMORY = ErrorKind(
    "RUN-08",
    "out of memory",
    "The machine must have the memory that a step declares.",
    "Give a lower --memory so that fewer pieces are held at a time, or use fewer --threads.",
)
INCOMPLETE = ErrorKind(
    "RUN-09",
    "recording ended before all was there",
    "With --follow, frames must go on coming until all are there.",
    "Look at the beamline; run the same command again to go on waiting, or without --follow to "
    "reconstruct from what is there.",
)
STOPPED = ErrorKind(
    "RUN-10",
    "stopped between steps",
    "A run that is told to pause ends when its present step is done.",
    "Resume it: it goes on with the next step.",
)

KINDS = (
    NO_MEMORY,
    MISSING_INPUT,
    OTHER_RESULT,
    BAD_RECORD,
    NO_DATA_SET,
    BUSY,
    INTERRUPTED,
    OUT_OF_MEMORY,
    INCOMPLETE,
    STOPPED,
    INTERNAL,
)
