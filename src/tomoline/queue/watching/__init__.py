"""Watching folders: what is on the disk, what of it is an acquisition, and when it is complete."""
