"""Arrays in, arrays out: the numerical routines, one subject a module."""
