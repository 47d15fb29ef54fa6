"""The report of a data set: one HTML page that stands alone, and the central slices as PNG."""

from tomoline.workflow.report._page import write_report

__all__ = ["write_report"]
