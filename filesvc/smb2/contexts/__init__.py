"""What travels in the contexts of NEGOTIATE and CREATE (MS-SMB2 2.2.3.1, 2.2.13.2)."""
