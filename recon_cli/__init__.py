"""recon: command-line 3D reconstruction."""

__version__ = "0.1.0"
