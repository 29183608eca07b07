"""Keys, signing, encryption, and the hash over a logon that the keys are made of (MS-SMB2 3.1.4, 3.1.5)."""
