"""The one way a processing rule says no, and the one table from the operating system's errors to NT statuses."""

from __future__ import annotations

import errno

from filesvc.dtyp.status import Status
from filesvc.interfaces import ParentNotFound


class StatusError(Exception):
    """
    A request ends with a status other than success.

    C{data} is what the ERROR response carries (MS-SMB2 2.2.2), mostly nothing.
    """

    def __init__(self, status: Status, data: bytes = b"") -> None:
        super().__init__(status.name)
        self.status = status
        self.data = data


class ConnectionBroken(Exception):
    """What the client sent leaves no way to go on: the connection is closed. The text says why, for the log."""


_STATUS_OF_ERRNO = {
    errno.EACCES: Status.ACCESS_DENIED,
    errno.EPERM: Status.ACCESS_DENIED,
    errno.EROFS: Status.MEDIA_WRITE_PROTECTED,
    errno.ENOENT: Status.OBJECT_NAME_NOT_FOUND,
    errno.ENOTDIR: Status.NOT_A_DIRECTORY,
    errno.EISDIR: Status.FILE_IS_A_DIRECTORY,
    errno.EEXIST: Status.OBJECT_NAME_COLLISION,
    errno.ENOTEMPTY: Status.DIRECTORY_NOT_EMPTY,
    errno.ENOSPC: Status.DISK_FULL,
    errno.EDQUOT: Status.DISK_FULL,
    errno.EFBIG: Status.DISK_FULL,
    errno.ENAMETOOLONG: Status.OBJECT_NAME_INVALID,
    errno.EILSEQ: Status.OBJECT_NAME_INVALID,
    errno.ELOOP: Status.OBJECT_PATH_NOT_FOUND,
    errno.EXDEV: Status.NOT_SAME_DEVICE,
    errno.EINVAL: Status.INVALID_PARAMETER,
    errno.EMFILE: Status.TOO_MANY_OPENED_FILES,
    errno.ENFILE: Status.TOO_MANY_OPENED_FILES,
    errno.ENOMEM: Status.INSUFFICIENT_RESOURCES,
    errno.EMLINK: Status.TOO_MANY_LINKS,
    errno.EBUSY: Status.SHARING_VIOLATION,
    errno.ETXTBSY: Status.SHARING_VIOLATION,
    errno.EAGAIN: Status.SHARING_VIOLATION,
    errno.ENOTSUP: Status.NOT_SUPPORTED,
    errno.ENOSYS: Status.NOT_SUPPORTED,
    errno.ENODATA: Status.OBJECT_NAME_NOT_FOUND,
    errno.E2BIG: Status.EA_TOO_LARGE,
    errno.EIO: Status.IO_DEVICE_ERROR,
    errno.ENXIO: Status.NO_SUCH_DEVICE,
    errno.ENODEV: Status.NO_SUCH_DEVICE,
    errno.ESTALE: Status.FILE_CLOSED,
    errno.EBADF: Status.FILE_CLOSED,
    errno.ETIMEDOUT: Status.IO_TIMEOUT,
    errno.EOVERFLOW: Status.DISK_CORRUPT_ERROR,
    errno.EUCLEAN: Status.DISK_CORRUPT_ERROR,
    errno.EBADMSG: Status.DISK_CORRUPT_ERROR,
    errno.ENOMEDIUM: Status.NO_MEDIA_IN_DEVICE,
    errno.EREMOTEIO: Status.IO_DEVICE_ERROR,
    errno.EPROTO: Status.IO_DEVICE_ERROR,
    errno.EINTR: Status.IO_DEVICE_ERROR,
    errno.ENOTCONN: Status.DEVICE_NOT_CONNECTED,
    errno.ENOLINK: Status.DEVICE_NOT_CONNECTED,
    errno.ESHUTDOWN: Status.DEVICE_NOT_CONNECTED,
    errno.EHOSTDOWN: Status.UNEXPECTED_NETWORK_ERROR,
    errno.EHOSTUNREACH: Status.UNEXPECTED_NETWORK_ERROR,
    errno.ENETDOWN: Status.UNEXPECTED_NETWORK_ERROR,
    errno.ENETUNREACH: Status.UNEXPECTED_NETWORK_ERROR,
    errno.ECONNABORTED: Status.UNEXPECTED_NETWORK_ERROR,
    errno.ECONNREFUSED: Status.UNEXPECTED_NETWORK_ERROR,
    errno.ECONNRESET: Status.UNEXPECTED_NETWORK_ERROR,
    errno.ENOKEY: Status.ACCESS_DENIED,
    errno.EKEYREJECTED: Status.ACCESS_DENIED,
    errno.EKEYEXPIRED: Status.ACCESS_DENIED,
}


def status_of(error: OSError) -> Status:
    """The NT status nearest to an error that a store raised."""
    if isinstance(error, ParentNotFound):
        return Status.OBJECT_PATH_NOT_FOUND
    return _STATUS_OF_ERRNO.get(error.errno or 0, Status.UNSUCCESSFUL)
