"""Errors of parameters, directives and templates."""

from tomoline.errors._kind import ErrorKind

UNKNOWN_DIRECTIVE = ErrorKind(
    "PARAM-01",
    "unknown directive",
    "A directive must be one that IMOD or tomoline knows.",
    "Correct the name; 'tomoline directives PATTERN' lists them.",
)
BAD_VALUE = ErrorKind(
    "PARAM-02",
    "value that does not fit",
    "A value must have the declared type, unit and range.",
    "Correct the value; 'tomoline directives NAME' tells what is expected.",
)
UNKNOWN_PARAMETER = ErrorKind(
    "PARAM-03",
    "unknown parameter",
    "Parameters are named STEP.FIELD.",
    "Correct the name; the reference page of steps lists all fields.",
)
NOT_ACTED_ON = ErrorKind(
    "PARAM-04",
    "directive not acted on yet",
    "Directives that tomoline knows but does not act on are named.",
    "Nothing needs to be done; the rest of the file is used.",
    warning=True,
)
UNKNOWN_STEP = ErrorKind(
    "PARAM-05",
    "unknown step",
    "A step is named by its name or by batchruntomo's number.",
    "Use one of the steps that 'tomoline steps' lists.",
)
BAD_OPTION = ErrorKind(
    "PARAM-06",
    "option that cannot be used",
    "Options must be given as the help says.",
    "See --help of the command.",
)
CONFLICT = ErrorKind(
    "PARAM-07",
    "parameters that exclude each other",
    "Only one of several ways to say the same thing may be used.",
    "Remove one of them.",
)
NOT_A_DIRECTIVE = ErrorKind(
    "PARAM-08",
    "directive in a place where it is not allowed",
    "Templates may hold only directives that are marked for templates.",
    "Move the directive to the batch file.",
)
REPEATED = ErrorKind(
    "PARAM-09",
    "directive given twice in one file",
    "A directive stands once in a file; where it stands twice, the last one holds.",
    "Remove one of the lines.",
    warning=True,
)
SECOND_AXIS = ErrorKind(
    "PARAM-10",
    "directive for a second tilt axis",
    "Data sets have one tilt axis here: directives for axis B are passed over.",
    "Nothing needs to be done for a single-axis data set.",
    warning=True,
)
OPTION_NOT_ACTED_ON = ErrorKind(
    "PARAM-11",
    "option not acted on yet",
    "Options of batchruntomo that tomoline takes but does not act on are named.",
    "Nothing needs to be done; the rest of the command is used.",
    warning=True,
)
REPLACED = ErrorKind(
    "PARAM-12",
    "parameter replaced by one that excludes it",
    "Of several ways to say the same thing, the one in the file of higher precedence holds.",
    "Nothing needs to be done if that is what you mean.",
    warning=True,
)
MEANINGLESS_LINE = ErrorKind(
    "PARAM-14",
    "line without a meaning",
    "A line of a directive file is 'name = value'; a value does not go on in the next line.",
    "Write the value behind its '=', or mark the line with '#' as a comment.",
    warning=True,
)
NO_ADVICE = ErrorKind(
    "PARAM-13",
    "unknown code",
    "Codes are those on the page of errors.",
    "'tomoline explain' without a code lists all.",
)

KINDS = (
    UNKNOWN_DIRECTIVE,
    BAD_VALUE,
    UNKNOWN_PARAMETER,
    NOT_ACTED_ON,
    UNKNOWN_STEP,
    BAD_OPTION,
    CONFLICT,
    NOT_A_DIRECTIVE,
    REPEATED,
    SECOND_AXIS,
    OPTION_NOT_ACTED_ON,
    REPLACED,
    NO_ADVICE,
    MEANINGLESS_LINE,
)
