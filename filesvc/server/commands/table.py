"""The nineteen commands: how each is parsed and processed."""

from __future__ import annotations

from filesvc.server.commands.cancel import cancel
from filesvc.server.commands.change_notify import change_notify
from filesvc.server.commands.close import close
from filesvc.server.commands.create import create
from filesvc.server.commands.echo import echo
from filesvc.server.commands.flush import flush
from filesvc.server.commands.ioctl import ioctl
from filesvc.server.commands.lock import lock
from filesvc.server.commands.logoff import logoff
from filesvc.server.commands.negotiate import negotiate
from filesvc.server.commands.oplock_break import oplock_break
from filesvc.server.commands.query_directory import query_directory
from filesvc.server.commands.query_info import query_info
from filesvc.server.commands.read import read
from filesvc.server.commands.session_setup import session_setup
from filesvc.server.commands.set_info import set_info
from filesvc.server.commands.tree_connect import tree_connect
from filesvc.server.commands.tree_disconnect import tree_disconnect
from filesvc.server.commands.write import HEAD_LENGTH, payload_length, write
from filesvc.server.connection.rule import HeadRule, Rule, Rules
from filesvc.smb2.header import Command
from filesvc.smb2.messages.cancel import CancelRequest
from filesvc.smb2.messages.change_notify import ChangeNotifyRequest
from filesvc.smb2.messages.close import CloseRequest
from filesvc.smb2.messages.create import CreateRequest
from filesvc.smb2.messages.echo import EchoRequest
from filesvc.smb2.messages.flush import FlushRequest
from filesvc.smb2.messages.ioctl import IoctlRequest
from filesvc.smb2.messages.lock import LockRequest
from filesvc.smb2.messages.logoff import LogoffRequest
from filesvc.smb2.messages.negotiate import NegotiateRequest
from filesvc.smb2.messages.oplock_break import parse_break
from filesvc.smb2.messages.query_directory import QueryDirectoryRequest
from filesvc.smb2.messages.query_info import QueryInfoRequest
from filesvc.smb2.messages.read import ReadRequest
from filesvc.smb2.messages.session_setup import SessionSetupRequest
from filesvc.smb2.messages.set_info import SetInfoRequest
from filesvc.smb2.messages.tree_connect import TreeConnectRequest
from filesvc.smb2.messages.tree_disconnect import TreeDisconnectRequest
from filesvc.smb2.messages.write import WriteRequest

RULES: Rules = {
    Command.NEGOTIATE: Rule(NegotiateRequest.parse, negotiate, session=False, tree=False),
    Command.SESSION_SETUP: Rule(SessionSetupRequest.parse, session_setup, session=False, tree=False),
    Command.LOGOFF: Rule(LogoffRequest.parse, logoff, tree=False),
    Command.TREE_CONNECT: Rule(TreeConnectRequest.parse, tree_connect, tree=False),
    Command.TREE_DISCONNECT: Rule(TreeDisconnectRequest.parse, tree_disconnect),
    Command.CREATE: Rule(CreateRequest.parse, create),
    Command.CLOSE: Rule(CloseRequest.parse, close),
    Command.FLUSH: Rule(FlushRequest.parse, flush),
    Command.READ: Rule(ReadRequest.parse, read),
    Command.WRITE: Rule(WriteRequest.parse, write, head=HeadRule(HEAD_LENGTH, WriteRequest.parse_fixed, payload_length)),
    Command.LOCK: Rule(LockRequest.parse, lock),
    Command.IOCTL: Rule(IoctlRequest.parse, ioctl),
    Command.CANCEL: Rule(CancelRequest.parse, cancel, session=False, tree=False),
    Command.ECHO: Rule(EchoRequest.parse, echo, session=False, tree=False),
    Command.QUERY_DIRECTORY: Rule(QueryDirectoryRequest.parse, query_directory),
    Command.CHANGE_NOTIFY: Rule(ChangeNotifyRequest.parse, change_notify),
    Command.QUERY_INFO: Rule(QueryInfoRequest.parse, query_info),
    Command.SET_INFO: Rule(SetInfoRequest.parse, set_info),
    Command.OPLOCK_BREAK: Rule(parse_break, oplock_break),
}
