"""
The data types that all of Windows' protocols share: SIDs, descriptors, access masks, times, text, statuses (MS-DTYP, MS-ERREF).

Bytes in, values out. It knows nothing of the house, and does no I/O.
"""
