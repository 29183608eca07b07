"""Information classes: what is asked of files and volumes and set of them, a row of a table for each (MS-SMB2 3.3.5.20, 3.3.5.21)."""
