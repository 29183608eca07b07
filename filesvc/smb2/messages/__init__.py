"""One module for each SMB2 command: its request and its response (MS-SMB2 2.2.3 to 2.2.40)."""
