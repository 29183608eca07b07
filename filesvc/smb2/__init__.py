"""The wire of SMB 2/3: bytes in, values out. No I/O, no Twisted (MS-SMB2 section 2, MS-FSCC)."""
