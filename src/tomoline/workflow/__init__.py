"""The data set, its record, and running a recipe on it."""
