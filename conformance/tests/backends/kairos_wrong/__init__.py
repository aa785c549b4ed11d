"""Wrong backends: each differs from the right one (``kairos_plain``) in one line that somebody could write.

``wrong://NAME`` opens the class called NAME; ``KILLED_BY`` says which laws must notice.
"""

from kairos_plain import Plain, opened

from kairos import hookimpl
from kairos.errors import Unsupported

from . import declarations, keeping, names, ranges, values  # noqa: F401 - they register what is in them
from .asyncside import Side
from .registry import KILLED_BY, WRONG

__all__ = ["KILLED_BY", "WRONG"]


def named(target):
    return target.removeprefix("wrong://").removeprefix("typed-").removeprefix("manual-").partition("-")[0]


@hookimpl
def kairos_open(target, config):
    name = named(target)
    if name == "TakesEveryOption":
        config.option("kit_no_such_option")
    return opened(Plain if issubclass(WRONG[name], Side) else WRONG[name], target, config)


@hookimpl
def kairos_open_async(target, config):
    name = named(target)
    if not issubclass(WRONG[name], Side):
        raise Unsupported("a sync backend")
    return opened(WRONG[name], target, config)
