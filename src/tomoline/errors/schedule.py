"""Errors of schedules."""

from tomoline.errors._kind import ErrorKind

EXISTS = ErrorKind(
    "SCHED-01",
    "schedule exists already",
    "Schedules of a project have different names.",
    "Choose another name, or remove the old one with 'tomoline schedule remove'.",
)
UNKNOWN = ErrorKind(
    "SCHED-02",
    "no such schedule",
    "A schedule is named as 'tomoline schedule status' names it.",
    "Correct the name, or make it with 'tomoline schedule new'.",
)
NO_INPUT = ErrorKind(
    "SCHED-03",
    "a step's input comes from nowhere",
    "Each step reads what an earlier step of the list, or an earlier run, writes.",
    "Add the step that writes it before this one.",
)
WRONG_ORDER = ErrorKind(
    "SCHED-04",
    "steps in another order than the recipe's",
    "The steps of a schedule stand in the order in which the recipe runs them.",
    "Give them in that order: 'tomoline steps' lists it.",
)
BAD_NUMBERS = ErrorKind(
    "SCHED-05",
    "numbers of a schedule",
    "A schedule runs at least once, and 0 minutes to 10 years pass between starts.",
    "Correct --times or --every.",
)
WRONG_STATE = ErrorKind(
    "SCHED-06",
    "schedule is not in that state",
    "A schedule that runs can be stopped; one that does not can be started.",
    "Look at 'tomoline schedule status'.",
)
BAD_NAME = ErrorKind(
    "SCHED-07",
    "name that a schedule cannot have",
    "Names of schedules are made of letters, digits, '.', '-' and '_'.",
    "Choose another name.",
)
ROUND_FAILED = ErrorKind(
    "SCHED-08",
    "step of a schedule's round went wrong",
    "Watched folders can be read, and tables can be written, in every round.",
    "Look at the folder that is named; the next round tries it again.",
    warning=True,
)

KINDS = (EXISTS, UNKNOWN, NO_INPUT, WRONG_ORDER, BAD_NUMBERS, WRONG_STATE, BAD_NAME, ROUND_FAILED)
