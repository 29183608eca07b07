from __future__ import annotations

import pytest
from smbprotocol.ioctl import CtlCode

from filesvc.fscc.fsctl import Fsctl

_METHODS = {
    "PIPE_TRANSCEIVE": (0x11, 3, 5, 3),
    "SRV_COPYCHUNK": (0x14, 1, 60, 2),
    "QUERY_ALLOCATED_RANGES": (0x09, 1, 51, 3),
    "SET_ZERO_DATA": (0x09, 2, 50, 0),
    "OFFLOAD_READ": (0x09, 1, 153, 0),
    "DUPLICATE_EXTENTS_TO_FILE": (0x09, 2, 209, 0),
}


def test_no_code_has_two_names() -> None:
    assert len(Fsctl.__members__) == len(set(Fsctl))


@pytest.mark.parametrize(("name", "parts"), _METHODS.items())
def test_codes_are_device_access_function_and_method(name: str, parts: tuple[int, int, int, int]) -> None:
    device, access, function, method = parts
    assert Fsctl[name] == device << 16 | access << 14 | function << 2 | method


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("DFS_GET_REFERRALS", "FSCTL_DFS_GET_REFERRALS"),
        ("PIPE_PEEK", "FSCTL_PIPE_PEEK"),
        ("PIPE_WAIT", "FSCTL_PIPE_WAIT"),
        ("PIPE_TRANSCEIVE", "FSCTL_PIPE_TRANSCEIVE"),
        ("SRV_COPYCHUNK", "FSCTL_SRV_COPYCHUNK"),
        ("SRV_ENUMERATE_SNAPSHOTS", "FSCTL_SRV_ENUMERATE_SNAPSHOTS"),
        ("SRV_REQUEST_RESUME_KEY", "FSCTL_SRV_REQUEST_RESUME_KEY"),
        ("SRV_READ_HASH", "FSCTL_SRV_READ_HASH"),
        ("SRV_COPYCHUNK_WRITE", "FSCTL_SRV_COPYCHUNK_WRITE"),
        ("LMR_REQUEST_RESILIENCY", "FSCTL_LMR_REQUEST_RESILIENCY"),
        ("QUERY_NETWORK_INTERFACE_INFO", "FSCTL_QUERY_NETWORK_INTERFACE_INFO"),
        ("GET_REPARSE_POINT", "FSCTL_GET_REPARSE_POINT"),
        ("SET_REPARSE_POINT", "FSCTL_SET_REPARSE_POINT"),
        ("FILE_LEVEL_TRIM", "FSCTL_FILE_LEVEL_TRIM"),
        ("VALIDATE_NEGOTIATE_INFO", "FSCTL_VALIDATE_NEGOTIATE_INFO"),
    ],
)
def test_another_library_has_the_same_codes(name: str, other: str) -> None:
    assert Fsctl[name] == getattr(CtlCode, other)
