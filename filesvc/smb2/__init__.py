"""
The wire of SMB 2 and 3: frames, headers, compounds, and structures of SMB2's own control codes (MS-SMB2 section 2).

Bytes in, values out: no I/O, no Twisted. It knows L{filesvc.fscc} and L{filesvc.dtyp}.
C{messages} has each command's request and response, C{contexts} what travels in NEGOTIATE and CREATE, C{protection} keys, signing and
encryption.
"""
