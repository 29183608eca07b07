"""
What SMB 2 and 3 mean (MS-SMB2 section 3.3, MS-FSA). One room for each idea; each imports only rooms that stand below it in this list:

C{assembly}, C{commands} and C{reports}, C{connection}, C{server}, C{handles}, C{caches}, C{notify} and C{operations}, C{state}, C{files}
and C{access}, and the ground: C{settings}, C{errors}, C{counts}, C{tcp}, C{repeats}, C{client_lines}, C{troubles}.
docs/architecture.md has the map.
"""
