"""
What a file is to SMB, above a store: streams, names, short names, snapshots, times, byte-range locks (MS-FSA 2.1.1).

It knows stores and structures, but neither clients nor opens.
"""
