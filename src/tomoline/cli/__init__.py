"""The command line: a thin face over workflow and surfaces."""
