"""
MS-FSA's operations over a store that need more than one of its calls: opening, renaming, replacing, deleting, descriptors (MS-FSA 2.1.5).

It knows the state and what files are; how a request came in and how it is answered it does not know: who must wait is handed in.
"""
