"""The one error that a user's mistake raises; the command line turns it into exit code 2."""


class InputError(ValueError):
    """A mistake in what was given: one sentence with the bad value, the legal values and the next step."""
