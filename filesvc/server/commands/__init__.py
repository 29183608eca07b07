"""
One module for each SMB2 command, its processing rules (MS-SMB2 3.3.5), and C{table}, which has them all.

It knows all rooms but C{assembly} and C{reports}. What a CREATE's contexts ask for is in C{create_contexts}, information classes are in
C{info}, control codes in C{control}.
"""
