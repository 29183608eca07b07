"""What people do with smbclient."""

import os
import shutil

import pytest

from .samba_client import Refused, SambaClient, entries
from .sites import Folder, Site, only_filesvc


def test_put_get_and_list(client: SambaClient, folder: Folder) -> None:
    data = os.urandom(3_000_001)
    (client.local / "up").write_bytes(data)
    listing = client.do("rw", "put up; ls; get up down", "--directory", folder.name)
    assert entries(listing) == {"up": len(data)}
    assert (folder.path / "up").read_bytes() == data
    assert (client.local / "down").read_bytes() == data


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1 << 20, (8 << 20) + 1])
def test_sizes_around_the_edges(client: SambaClient, folder: Folder, size: int) -> None:
    data = os.urandom(size)
    (client.local / "up").write_bytes(data)
    client.do("rw", "put up; get up down", "--directory", folder.name)
    assert (folder.path / "up").read_bytes() == data
    assert (client.local / "down").read_bytes() == data


def test_putting_a_shorter_file_replaces_the_longer(client: SambaClient, folder: Folder) -> None:
    (folder.path / "file").write_bytes(b"long" * 1000)
    (client.local / "file").write_bytes(b"short")
    client.do("rw", "put file", "--directory", folder.name)
    assert (folder.path / "file").read_bytes() == b"short"


def test_500_files(client: SambaClient, folder: Folder) -> None:
    files = {f"file{number:03}.bin": os.urandom(number * 37) for number in range(500)}
    for name, data in files.items():
        (client.local / name).write_bytes(data)
    listing = client.do("rw", "prompt off; mput *.bin; ls", "--directory", folder.name)
    assert entries(listing) == {name: len(data) for name, data in files.items()}
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == files
    fetched = client.local / "fetched"
    fetched.mkdir()
    client.do("rw", "prompt off; lcd fetched; mget *.bin", "--directory", folder.name)
    assert {path.name: path.read_bytes() for path in fetched.iterdir()} == files


def test_rename_a_file(client: SambaClient, folder: Folder) -> None:
    (folder.path / "old").write_bytes(b"kept")
    client.do("rw", "rename old new", "--directory", folder.name)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == {"new": b"kept"}


def test_rename_a_folder_with_what_is_in_it(client: SambaClient, folder: Folder) -> None:
    (folder.path / "old" / "deep").mkdir(parents=True)
    (folder.path / "old" / "deep" / "file").write_bytes(b"kept")
    client.do("rw", "mkdir there; rename old there\\new", "--directory", folder.name)
    assert (folder.path / "there" / "new" / "deep" / "file").read_bytes() == b"kept"
    assert not (folder.path / "old").exists()


def test_rename_onto_a_file_needs_force(client: SambaClient, folder: Folder) -> None:
    (folder.path / "one").write_bytes(b"one")
    (folder.path / "two").write_bytes(b"two")
    with pytest.raises(Refused, match="NT_STATUS_OBJECT_NAME_COLLISION"):
        client.do("rw", "rename one two", "--directory", folder.name)
    assert (folder.path / "two").read_bytes() == b"two"
    client.do("rw", "rename one two -f", "--directory", folder.name)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == {"two": b"one"}


def test_rename_changes_the_case(client: SambaClient, folder: Folder) -> None:
    (folder.path / "name").write_bytes(b"kept")
    client.do("rw", "rename name NAME", "--directory", folder.name)
    assert [path.name for path in folder.path.iterdir()] == ["NAME"]


def test_del(client: SambaClient, folder: Folder) -> None:
    for name in ("a.txt", "b.txt", "c.bin"):
        (folder.path / name).write_bytes(b"x")
    client.do("rw", "del *.txt", "--directory", folder.name)
    assert [path.name for path in folder.path.iterdir()] == ["c.bin"]
    with pytest.raises(Refused, match=r"NT_STATUS_NO_SUCH_FILE|NT_STATUS_OBJECT_NAME_NOT_FOUND"):
        client.do("rw", "del a.txt", "--directory", folder.name)


def test_deltree(client: SambaClient, folder: Folder) -> None:
    for number in range(20):
        place = folder.path / "tree" / f"branch{number % 4}" / f"twig{number}"
        place.mkdir(parents=True)
        (place / "leaf").write_bytes(b"x")
    client.do("rw", "deltree tree", "--directory", folder.name)
    assert list(folder.path.iterdir()) == []


def test_mkdir_and_rmdir(client: SambaClient, folder: Folder) -> None:
    client.do("rw", "mkdir one; mkdir one\\two", "--directory", folder.name)
    assert (folder.path / "one" / "two").is_dir()
    with pytest.raises(Refused, match="NT_STATUS_OBJECT_NAME_COLLISION"):
        client.do("rw", "mkdir one", "--directory", folder.name)
    with pytest.raises(Refused, match="NT_STATUS_DIRECTORY_NOT_EMPTY"):
        client.do("rw", "rmdir one", "--directory", folder.name)
    client.do("rw", "rmdir one\\two; rmdir one", "--directory", folder.name)
    assert list(folder.path.iterdir()) == []


def test_what_is_missing_is_said_to_be_missing(client: SambaClient, folder: Folder) -> None:
    with pytest.raises(Refused, match="NT_STATUS_OBJECT_NAME_NOT_FOUND"):
        client.do("rw", "get missing", "--directory", folder.name)
    with pytest.raises(Refused, match="NT_STATUS_OBJECT_PATH_NOT_FOUND"):
        client.do("rw", "get missing\\file", "--directory", folder.name)
    with pytest.raises(Refused, match="NT_STATUS_BAD_NETWORK_NAME"):
        client.do("missing", "ls")


def test_names_match_in_any_case(client: SambaClient, folder: Folder) -> None:
    (folder.path / "Straße.TXT").write_bytes(b"found")
    client.do("rw", "get straßE.txt down", "--directory", folder.name.upper())
    assert (client.local / "down").read_bytes() == b"found"


@pytest.mark.parametrize("name", ["äöü ß.txt", "日本語", "🦆 and 𝄞.bin", "e\u0301 stays apart from é", "ends with the pair 😀"])
def test_unicode_names(client: SambaClient, folder: Folder, name: str) -> None:
    (client.local / "up").write_bytes(name.encode())
    listing = client.do("rw", f'put up "{name}"; ls; get "{name}" down', "--directory", folder.name)
    assert entries(listing) == {name: len(name.encode())}
    assert [path.name for path in folder.path.iterdir()] == [name]
    assert (client.local / "down").read_bytes() == name.encode()


def test_setmode_and_allinfo(client: SambaClient, folder: Folder) -> None:
    (folder.path / "file").write_bytes(b"x" * 5000)
    info = client.do("rw", "setmode file +h; allinfo file", "--directory", folder.name)
    assert "attributes: AH (22)" in info or "attributes: H (2)" in info, info
    info = client.do("rw", "setmode file +r; allinfo file", "--directory", folder.name)
    assert "R" in info.partition("attributes:")[2].split()[0]
    info = client.do("rw", "setmode file -rh; allinfo file", "--directory", folder.name)
    assert not set("RH") & set(info.partition("attributes:")[2].split()[0]), info
    assert "::$DATA], 5000 bytes" in info


def test_utimes(client: SambaClient, folder: Folder) -> None:
    (folder.path / "file").write_bytes(b"x")
    # create, access, write and change time; -1 leaves one alone
    info = client.do("rw", "utimes file -1 2020:01:02-03:04:05 2021:02:03-04:05:06 -1; allinfo file", "--directory", folder.name)
    assert "access_time:    Thu Jan  2 03:04:05 2020 UTC" in info
    assert "write_time:     Wed Feb  3 04:05:06 2021 UTC" in info
    assert (folder.path / "file").stat().st_mtime == 1612325106


def test_du(client: SambaClient, folder: Folder) -> None:
    (folder.path / "tree").mkdir()
    (folder.path / "tree" / "a").write_bytes(b"x" * 1000)
    (folder.path / "b").write_bytes(b"x" * 234)
    printed = client.do("rw", "recurse on; du *", "--directory", folder.name)
    assert "Total number of bytes: 1234" in printed


def test_free_space_is_the_volumes(client: SambaClient, folder: Folder) -> None:
    line = client.do("rw", "ls", "--directory", folder.name).splitlines()[-1]
    words = line.split()
    total, block, available = int(words[0]), int(words[4].rstrip(".")), int(words[5])
    usage = shutil.disk_usage(folder.path)
    assert total * block == pytest.approx(usage.total, rel=0.001)
    assert available * block == pytest.approx(usage.free, rel=0.05)


def test_a_read_only_share_is_read_and_not_written(client: SambaClient, site: Site) -> None:
    (site.path("ro") / "file").write_bytes(b"to read")
    (client.local / "up").write_bytes(b"to write")
    client.do("ro", "get file down")
    assert (client.local / "down").read_bytes() == b"to read"
    for command in ("put up", "put up file", "del file", "mkdir folder", "rename file other", "setmode file +h"):
        with pytest.raises(Refused, match=r"NT_STATUS_(ACCESS_DENIED|MEDIA_WRITE_PROTECTED)"):
            client.do("ro", command)
    assert [(path.name, path.read_bytes()) for path in site.path("ro").iterdir()] == [("file", b"to read")]


def test_the_list_of_shares(client: SambaClient) -> None:
    assert client.shares() == {"rw": "Disk", "ro": "Disk", "guest": "Disk", "encrypted": "Disk", "IPC$": "IPC"}


@only_filesvc
def test_who_does_not_say_who_it_is_is_told_of_the_guests_shares(client: SambaClient) -> None:
    assert client.shares(user="") == {"guest": "Disk", "IPC$": "IPC"}


@pytest.mark.parametrize("password", ["wrong", "", "Secret"])
def test_a_wrong_password_is_refused(client: SambaClient, password: str) -> None:
    with pytest.raises(Refused, match="NT_STATUS_LOGON_FAILURE"):
        client.do("rw", "ls", password=password)


def test_guests_get_into_their_share_only(client: SambaClient, site: Site) -> None:
    (client.local / "up").write_bytes(b"from a guest")
    client.do("guest", "put up; get up down", user="somebody", password="whatever")
    assert (site.path("guest") / "up").read_bytes() == (client.local / "down").read_bytes() == b"from a guest"
    for share in ("rw", "ro", "encrypted"):
        with pytest.raises(Refused, match="NT_STATUS_ACCESS_DENIED"):
            client.do(share, "ls", user="somebody", password="whatever")


def test_nobody_gets_into_a_share_of_users(client: SambaClient) -> None:
    with pytest.raises(Refused, match="NT_STATUS_ACCESS_DENIED"):
        client.do("rw", "ls", user="")


def test_tar_takes_a_tree_along(client: SambaClient, folder: Folder) -> None:
    for name in ("a", "b/c", "b/d/e"):
        place = folder.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(name.encode() * 100)
    client.do("rw", "tar c tree.tar", "--directory", folder.name)
    shutil.unpack_archive(client.local / "tree.tar", client.local / "out")
    out = client.local / "out" / folder.name
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert found == {name: name.encode() * 100 for name in ("a", "b/c", "b/d/e")}
