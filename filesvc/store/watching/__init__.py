"""
Watching a folder of this machine for changes.

L{filesvc.store.watching.watch} is what the local store gives its users; C{fanotify} and C{inotify} are the kernel's two ways to tell.
"""
