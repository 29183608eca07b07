"""C{--auth smbpasswd:FILE} and C{--auth kerberos:REALM} for every Twisted program that asks L{twisted.cred.strcred}."""

from filesvc.auth.checkers import SmbpasswdCheckerFactory
from filesvc.auth.realms import RealmCheckerFactory

smbpasswd = SmbpasswdCheckerFactory()
kerberos = RealmCheckerFactory()
