"""The dialects, by the names that smbclient has for them."""

from __future__ import annotations

DIALECTS = {"SMB2_02": 0x0202, "SMB2_10": 0x0210, "SMB3_00": 0x0300, "SMB3_02": 0x0302, "SMB3_11": 0x0311}
