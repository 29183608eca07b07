"""
MS-SMB2's own tables: session, tree connect, open, file, and what each of them remembers (MS-SMB2 3.3.1).

It knows files and rights. Of a connection and of the server it knows only the protocols in C{carrier} and C{services}.
"""
