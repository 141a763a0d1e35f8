"""Errors that whoever started a command can mend."""


class UserError(Exception):
    """One line: what was expected, what came, what to do. Stages print it and exit with status 1."""


class WeightsError(UserError):
    """A file of weights is not what it should be; the message names the layer."""


class SourceError(UserError):
    """A dataset cannot be had or is not what it should be; the message says what to do."""
