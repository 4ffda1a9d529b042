"""Property tests draw the same examples every time: a check that fails must fail again."""

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
