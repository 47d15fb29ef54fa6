"""Raw tomography acquisitions to tomograms, unattended."""

__version__ = "0.1.0"
