"""When two names are the same user's."""

from __future__ import annotations

from filesvc.auth.ntlm_crypto import upper_case


def account_key(name: str) -> str:
    """Equal for all spellings of a user's name: by this users are looked up, and told apart, everywhere."""
    return upper_case(name)


def same_name(one: str, other: str) -> bool:
    """Whether two names are spellings of one."""
    return account_key(one) == account_key(other)
