"""Projects: many data sets, queued, run side by side, watched for and scheduled.

`Project` is what every face uses; the runner, a process of its own, does the work.
"""
