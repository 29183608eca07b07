"""What SMB 2/3 means: connections, sessions, tree connects, opens (MS-SMB2 section 3.3)."""
