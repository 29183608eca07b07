"""
What people and Prometheus are told of a running server.

It reads everything and changes nothing; nothing else imports it.
"""
