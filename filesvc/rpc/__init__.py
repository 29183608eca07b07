"""NDR, DCE/RPC and the services on the pipes of IPC$. No I/O (MS-RPCE, MS-SRVS, MS-WKST, MS-LSAT)."""
