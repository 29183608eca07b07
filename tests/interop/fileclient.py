"""A raw client that does with files what programs do: by the class and the byte, as MS-SMB2 and MS-FSCC have it."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import dataclass

from .rawclient import CREATE, HEADER, OF_OTHERS, OPEN, QUERY_DIRECTORY, QUERY_INFO, RawClient, Refused, charge_for

FLUSH, LOCK, IOCTL, CHANGE_NOTIFY, SET_INFO = 7, 10, 11, 15, 17
SUPERSEDE, CREATE_NEW, OVERWRITE, OVERWRITE_IF = 0, 2, 4, 5
BACKUP_INTENT, NON_DIRECTORY_FILE, DELETE_ON_CLOSE = 0x4000, 0x40, 0x1000

BASIC, STANDARD, RENAME, LINK, DISPOSITION, ALLOCATION, END_OF_FILE = 4, 5, 10, 11, 13, 19, 20
DIRECTORY_INFORMATION, FULL_DIRECTORY, BOTH_DIRECTORY, NAMES, ID_BOTH_DIRECTORY, ID_FULL_DIRECTORY = 1, 2, 3, 12, 37, 38
_FIXED_OF_ENTRY = {
    DIRECTORY_INFORMATION: 64,
    FULL_DIRECTORY: 68,
    BOTH_DIRECTORY: 94,
    NAMES: 12,
    ID_BOTH_DIRECTORY: 104,
    ID_FULL_DIRECTORY: 80,
}

READONLY, HIDDEN, SYSTEM, ARCHIVE, NORMAL, TEMPORARY = 0x1, 0x2, 0x4, 0x20, 0x80, 0x100

ACCESS_DENIED = 0xC0000022
SHARING_VIOLATION = 0xC0000043
INVALID_PARAMETER = 0xC000000D
NO_SUCH_FILE = 0xC000000F
DISK_FULL = 0xC000007F
LOCK_NOT_GRANTED = 0xC0000055
OBJECT_NAME_NOT_FOUND = 0xC0000034
OBJECT_NAME_COLLISION = 0xC0000035
NOTIFY_ENUM_DIR = 0x0000010C

_INFO_FILE = 1
RESTART_SCANS = 1


@dataclass(slots=True, frozen=True)
class Created:
    """What CREATE answers of the file: its sizes in bytes, and its attributes."""

    file_id: bytes
    action: int
    allocation: int
    size: int
    attributes: int


@dataclass(slots=True, frozen=True)
class Listed:
    """One entry of a listing; C{short_name} where the class has one."""

    name: str
    short_name: str


class FileClient(RawClient):
    """One connection, logged on and in a share."""

    @classmethod
    def connected(cls, port: int, user: str, password: str, share: str) -> FileClient:
        """A new one."""
        client = cls(port)
        client.negotiate()
        client.log_on(user, password)
        client.connect_tree(share)
        return client

    def open(
        self,
        name: str,
        access: int = OF_OTHERS,
        disposition: int = OPEN,
        options: int = 0,
        share: int = 7,
        attributes: int = 0,
        allocation: int = 0,
    ) -> Created:
        """CREATE, with the context AlSi if C{allocation} is asked for."""
        body = bytearray(self.create_body(name, access, disposition, options, share))
        struct.pack_into("<I", body, 28, attributes)
        if allocation:
            body += bytes(-(len(body) + HEADER.size) % 8)
            context = struct.pack("<IHHHHI4s4xQ", 0, 16, 4, 0, 24, 8, b"AlSi", allocation)
            struct.pack_into("<II", body, 48, HEADER.size + len(body), len(context))
            body += context
        answer = self.call(CREATE, bytes(body)).body
        (action,) = struct.unpack_from("<I", answer, 4)
        allocation, size, told = struct.unpack_from("<QQI", answer, 40)
        return Created(answer[64:80], action, allocation, size, told)

    def set_info(self, file_id: bytes, information_class: int, buffer: bytes) -> None:
        self.call(SET_INFO, struct.pack("<HBBIHHI16s", 33, _INFO_FILE, information_class, len(buffer), 64 + 32, 0, 0, file_id) + buffer)

    def query_info(self, file_id: bytes, information_class: int, length: int = 1024) -> bytes:
        request = struct.pack("<HBBIHHIII16s", 41, _INFO_FILE, information_class, length, 0, 0, 0, 0, 0, file_id)
        return _buffer(self.call(QUERY_INFO, request + b"\0").body)

    def set_attributes(self, file_id: bytes, attributes: int) -> None:
        """FileBasicInformation with nothing but the attributes."""
        self.set_info(file_id, BASIC, struct.pack("<32xII", attributes, 0))

    def attributes(self, file_id: bytes) -> int:
        (told,) = struct.unpack_from("<I", self.query_info(file_id, BASIC), 32)
        return int(told)

    def sizes(self, file_id: bytes) -> tuple[int, int]:
        """The allocation size and the end of file."""
        allocation, size = struct.unpack_from("<QQ", self.query_info(file_id, STANDARD))
        return allocation, size

    def allocate(self, file_id: bytes, size: int) -> None:
        self.set_info(file_id, ALLOCATION, struct.pack("<Q", size))

    def truncate(self, file_id: bytes, size: int) -> None:
        self.set_info(file_id, END_OF_FILE, struct.pack("<Q", size))

    def rename(self, file_id: bytes, name: str, replace: bool = False) -> None:
        self.set_info(file_id, RENAME, _named(name, replace))

    def link(self, file_id: bytes, name: str, replace: bool = False) -> None:
        self.set_info(file_id, LINK, _named(name, replace))

    def delete(self, file_id: bytes) -> None:
        self.set_info(file_id, DISPOSITION, b"\1")

    def flush(self, file_id: bytes) -> None:
        self.call(FLUSH, struct.pack("<HHI16s", 24, 0, 0, file_id))

    def lock(self, file_id: bytes, offset: int, length: int, flags: int) -> None:
        self.call(LOCK, struct.pack("<HHI16sQQII", 48, 1, 0, file_id, offset, length, flags, 0))

    def ioctl(self, file_id: bytes, code: int, data: bytes = b"", most: int = 65536) -> bytes:
        """An FSCTL; its output."""
        body = struct.pack("<HHI16sIIIIIIII", 57, 0, code, file_id, 64 + 56, len(data), 0, 0, 0, most, 1, 0) + (data or b"\0")
        answer = self.call(IOCTL, body).body
        start, length = struct.unpack_from("<II", answer, 32)
        return answer[start - HEADER.size : start - HEADER.size + length]

    def begin_watch(self, file_id: bytes, length: int = 4096, recursive: bool = False) -> None:
        """CHANGE_NOTIFY of everything; its answer is had from L{changes}."""
        body = struct.pack("<HHI16sII", 32, recursive, length, file_id, 0xFFF, 0)
        self.send_frame(self.message(CHANGE_NOTIFY, body, charge=charge_for(length)))

    def changes(self) -> list[tuple[int, str]]:
        """The next answer to a watch: actions, as MS-FSCC 2.7.1 numbers them, and names; L{Refused} if there were too many changes."""
        reply = self.receive()
        if reply.status:
            raise Refused(reply.status)
        buffer, found, position = _buffer(reply.body), [], 0
        while True:
            following, action, length = struct.unpack_from("<III", buffer, position)
            found.append((action, buffer[position + 12 : position + 12 + length].decode("utf-16-le")))
            if not following:
                return found
            position += following

    def names(self, file_id: bytes, length: int = 65536) -> list[str]:
        """The names of all that is in a folder, in replies of so many bytes."""
        names: list[str] = []
        flags = RESTART_SCANS
        with suppress(Refused):
            while True:
                names += [entry.name for entry in self.list(file_id, "*", length=length, flags=flags)]
                flags = 0
        return names

    def list(
        self, file_id: bytes, pattern: str, information_class: int = BOTH_DIRECTORY, length: int = 65536, flags: int = RESTART_SCANS
    ) -> list[Listed]:
        """The first reply to a search that begins anew, or the next one."""
        name = pattern.encode("utf-16-le")
        request = struct.pack("<HBBI16sHHI", 33, information_class, flags, 0, file_id, 64 + 32, len(name), length)
        return list(_entries(_buffer(self.call(QUERY_DIRECTORY, request + name).body), information_class))


def _named(name: str, replace: bool) -> bytes:
    path = name.encode("utf-16-le")
    return struct.pack("<B7xQI", replace, 0, len(path)) + path


def _buffer(body: bytes) -> bytes:
    """The output buffer of QUERY_INFO or QUERY_DIRECTORY."""
    offset, length = struct.unpack_from("<HI", body, 2)
    return body[offset - HEADER.size : offset - HEADER.size + length]


def _entries(buffer: bytes, information_class: int) -> list[Listed]:
    fixed, entries, position = _FIXED_OF_ENTRY[information_class], [], 0
    while True:
        (following,) = struct.unpack_from("<I", buffer, position)
        (length,) = struct.unpack_from("<I", buffer, position + (8 if information_class == NAMES else 60))
        short = b""
        if information_class in (BOTH_DIRECTORY, ID_BOTH_DIRECTORY):
            short = buffer[position + 70 : position + 70 + buffer[position + 68]]
        name = buffer[position + fixed : position + fixed + length]
        entries.append(Listed(name.decode("utf-16-le"), short.decode("utf-16-le")))
        if not following:
            return entries
        position += following
