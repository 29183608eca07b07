"""What all tests share."""

from hypothesis import settings

settings.register_profile("filesvc", deadline=None, max_examples=50)
settings.load_profile("filesvc")
