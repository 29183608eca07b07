"""pysmb, which asks for a NetBIOS session on any port unless it is told not to."""

from __future__ import annotations

import os
from io import BytesIO

import pytest
from smb.SMBConnection import SMBConnection

from ..conformance.peers import PASSWORD
from .sites import Folder, Site


@pytest.mark.parametrize("direct", [False, True])
def test_it_keeps_lists_and_fetches_a_file(site: Site, folder: Folder, direct: bool) -> None:
    content = os.urandom(300_000)
    connection = SMBConnection(site.server.user, PASSWORD, "client", "*SMBSERVER", use_ntlm_v2=True, is_direct_tcp=direct)
    assert connection.connect("127.0.0.1", site.server.port)
    try:
        connection.storeFile("rw", f"{folder.name}/file", BytesIO(content))
        assert (folder.path / "file").read_bytes() == content
        assert [entry.filename for entry in connection.listPath("rw", folder.name)] == [".", "..", "file"]
        back = BytesIO()
        connection.retrieveFile("rw", f"{folder.name}/file", back)
        assert back.getvalue() == content
    finally:
        connection.close()
