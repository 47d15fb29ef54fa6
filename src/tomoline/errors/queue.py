"""Errors of the queue, its processors and run control."""

from tomoline.errors._kind import ErrorKind

RUNNING = ErrorKind(
    "QUEUE-01",
    "project is being run already",
    "A project has one runner.",
    "Look at it with 'tomoline status'; pause or kill it first where it should run otherwise.",
)
DIED = ErrorKind(
    "QUEUE-02",
    "the batch's process died",
    "A batch ends by itself, with a result or an error.",
    "Look at the end of the data set's log; report it if it happens again. Memory that ran out is "
    "the usual cause: fewer processors or threads need less.",
    transient=True,
)
KILLED = ErrorKind(
    "QUEUE-03",
    "killed",
    "A batch that is killed is set aside.",
    "'tomoline resume' goes on with it from what is complete.",
)
TOO_LATE = ErrorKind(
    "QUEUE-04",
    "start is later than what a data set has reached",
    "All data sets of a run must have reached the step before the one to start from.",
    "Start from an earlier step, leave out the named data sets, or give --any-step if the missing "
    "files were made by hand.",
)
NOT_QUEUED = ErrorKind(
    "QUEUE-05",
    "data set is not in the queue",
    "Only batches that wait can be moved or taken out.",
    "Look at the queue with 'tomoline queue list'; queue it with 'tomoline queue add'.",
)
NOTHING_TO_DO = ErrorKind(
    "QUEUE-06",
    "nothing to run",
    "A run needs data sets whose run flag is set.",
    "Add data sets, or set their flag: 'tomoline project set NAME --run'.",
)
WRONG_STATE = ErrorKind(
    "QUEUE-07",
    "not possible in this state",
    "A batch goes from waiting over running to finished, failed or killed.",
    "Look at 'tomoline status', and pause or kill first where that is meant.",
)
RUNNER_GONE = ErrorKind(
    "QUEUE-08",
    "the runner had ended without notice",
    "The runner goes on until all is done or it is told to stop.",
    "Nothing: it has been started again, and what it was running goes on.",
    warning=True,
)
NO_RUNNER = ErrorKind(
    "QUEUE-09",
    "the runner does not start",
    "The runner must be able to start on this machine.",
    "Look at tomoline.log and .tomoline/runner.log in the project's folder.",
)
RETRIED = ErrorKind(
    "QUEUE-10",
    "tried again",
    "What may go well a little later is tried again by itself.",
    "Nothing, unless it happens often.",
    warning=True,
)
SET_ASIDE = ErrorKind(
    "QUEUE-11",
    "set aside after several tries",
    "A batch is tried again by itself only a stated number of times.",
    "Remove the cause, then 'tomoline retry'.",
)
BAD_JOB = ErrorKind(
    "QUEUE-12",
    "job file cannot be read",
    "A batch's process reads the file that the runner wrote for it.",
    "Report it; 'tomoline retry' writes a new one.",
)

KINDS = (
    RUNNING,
    DIED,
    KILLED,
    TOO_LATE,
    NOT_QUEUED,
    NOTHING_TO_DO,
    WRONG_STATE,
    RUNNER_GONE,
    NO_RUNNER,
    RETRIED,
    SET_ASIDE,
    BAD_JOB,
)
