"""
What clients cache: oplocks, leases and leases of directories (MS-SMB2 3.3.1.12, 3.3.4.6, 3.3.4.7), and other programs on the host,
for whom clients give way.

It knows the state; C{state.caching} decides who gives way, this room what is said to whom.
"""
