"""The share IPC$: named pipes, behind which services of DCE/RPC answer (MS-SMB2 3.3.5.9, 3.3.5.15.10)."""
