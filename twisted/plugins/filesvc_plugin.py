"""Adds C{filesvc} to what twistd can run."""

from twisted.application.service import ServiceMaker

filesvc = ServiceMaker("filesvc", "filesvc.tap", "Shares folders with SMB 2 and 3 clients.", "filesvc")
