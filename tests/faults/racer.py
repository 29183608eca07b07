"""The program that races readers: it cuts a file and lets it grow again, with bytes that are never zero."""

from __future__ import annotations

CUT_AND_GROW = """
import os, sys, time
data = b"y" * int(sys.argv[2])
print("racing", flush=True)
while True:
    for cut in (5000, 70000, 500000, 0):
        os.truncate(sys.argv[1], cut)
        with open(sys.argv[1], "r+b") as file:
            file.seek(cut)
            file.write(data[cut:])
        time.sleep(0.001)
"""
