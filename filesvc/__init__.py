"""An SMB 2/3 file server for Python and Twisted."""

__version__ = "0.1.0"
