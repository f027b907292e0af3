"""What a command's exit code means; scripts rely on it (README, "Exit codes")."""

from enum import IntEnum


class Exit(IntEnum):
    """One code per kind of end."""

    OK = 0
    #: The job failed, or the operation was refused.
    REFUSED = 1
    USAGE = 2
    #: Nothing answers there, or what answers is not FetchBox.
    UNREACHABLE = 3
    NOT_FOUND = 4
    #: sysexits.h calls it EX_CONFIG.
    CONFIG = 78
