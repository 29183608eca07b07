"""The create contexts that have rules of their own: a module for each (MS-SMB2 3.3.5.9.2 to 3.3.5.9.14)."""
