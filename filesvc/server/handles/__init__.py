"""
Handles that outlive something: a connection, or the server (MS-SMB2 3.3.5.9.10, 3.3.5.9.12, 3.3.7.1).

It knows the state, the caches and the operations; on disk it keeps one SQLite file.
"""
