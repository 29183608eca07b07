"""An SMB 2/3 file server for Python and Twisted."""
