"""One module per file format: read, write, probe; whole files or none; nothing else."""
