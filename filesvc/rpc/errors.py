"""What can go wrong in a remote procedure call."""

from __future__ import annotations

from enum import IntEnum


class MalformedRpc(ValueError):
    """Bytes that are no PDU, or no NDR of what was expected."""


class FaultStatus(IntEnum):
    """Why a call could not be made at all (C706 appendix E, MS-RPCE 2.2.2.11, MS-ERREF 2.2)."""

    ACCESS_DENIED = 0x00000005
    BAD_STUB_DATA = 0x000006F7
    SECURITY_PACKAGE_ERROR = 0x00000721
    OPERATION_RANGE_ERROR = 0x1C010002
    UNKNOWN_INTERFACE = 0x1C010003
    CONTEXT_MISMATCH = 0x1C00001A
    UNSUPPORTED_AUTHENTICATION_LEVEL = 0x1C00001D


class RpcFault(Exception):
    """A call ends with a fault PDU. A procedure's own errors are values that it returns, not faults."""

    def __init__(self, status: FaultStatus) -> None:
        super().__init__(status.name)
        self.status = status
