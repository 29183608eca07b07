"""
Who may: tokens, descriptors, inheritance, rights, audit (MS-DTYP 2.5, MS-FSA 2.1.5.1.2).

It knows users and descriptors; it decides, and never asks a store.
"""
