"""
File stores: what a share serves.

L{filesvc.store.local.LocalStore} serves a folder of this machine, L{filesvc.store.memory.MemoryStore} what a program puts in it. Both
provide L{filesvc.interfaces.IFileStore}; a plugin brings others.
"""
