"""C{--auth smbpasswd:FILE} for every Twisted program that asks L{twisted.cred.strcred}."""

from filesvc.auth.checkers import SmbpasswdCheckerFactory

smbpasswd = SmbpasswdCheckerFactory()
