"""Tilt series with a known truth, and the judge that compares results with it."""
