"""One module for each SMB2 command, its processing rules (MS-SMB2 3.3.5)."""
