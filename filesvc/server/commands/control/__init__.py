"""Control codes: what IOCTL does, a row of a table for each (MS-SMB2 3.3.5.15)."""
