"""Who is there: SPNEGO, NTLM, users and Twisted credentials."""
