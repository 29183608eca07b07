"""
One client's bytes: frames in, replies out, compounds, credits, back-pressure (MS-SMB2 3.3.1.7, 3.3.4.1, 3.3.5.1, 3.3.5.2).

It knows the server and its state; of the commands it knows only that they are rows of a table, which is handed in.
"""
