"""
Change notification: who watches which directory, and what each is told (MS-SMB2 3.3.5.19, MS-FSA 2.1.5.11).

It knows the state and the kernel's inotify; nobody who changes a file waits for it.
"""
