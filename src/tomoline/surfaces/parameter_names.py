"""Which parameters a name means: ``step.field``, the end of one, or a directive of IMOD's."""

from __future__ import annotations

from tomoline import errors
from tomoline.recipes import STEPS

DIRECTIVE_STARTS = ("setupset.", "comparam.", "runtime.")


def key_of(parameter: str) -> list[str]:
    """Return the ``step.field`` that a parameter's name or IMOD's directive means.

    Raises
    ------
    TomolineError
        PARAM-01, PARAM-03 for a name that there is not, with the nearest one that there is.

    >>> key_of("comparam.tilt.tilt.THICKNESS")
    ['reconstruct.thickness_px']
    """
    from tomoline.params import describe
    from tomoline.surfaces.directive_table import declared
    from tomoline.surfaces.names import suggestion

    if parameter.startswith(DIRECTIVE_STARTS):
        by_directive = declared(list(STEPS.values()))
        if parameter not in by_directive:
            found = f"{parameter} sets no parameter.{suggestion(parameter, by_directive, 0.7)}"
            raise errors.parameters.UNKNOWN_DIRECTIVE.error("", found)
        return [target.name for target in by_directive[parameter]]
    step, _, name = parameter.partition(".")
    if step in STEPS and name in {info.name for info in describe(STEPS[step].params)}:
        return [parameter]
    every = [f"{one.name}.{info.name}" for one in STEPS.values() for info in describe(one.params)]
    ending = [one for one in every if one.endswith(f".{parameter}")]
    if len(ending) == 1:
        return ending
    near = f" Did you mean {' or '.join(ending)}?" if ending else suggestion(parameter, every, 0.6)
    raise errors.parameters.UNKNOWN_PARAMETER.error("", f"there is no parameter {parameter}.{near}")
