"""What can go wrong with a log, each with what to do next."""

from __future__ import annotations

from schemas.errors import BadData, CorruptLog, WrongUse

__all__ = [
    "CorruptBlock",
    "ForeignFolder",
    "LogClosed",
    "LogExists",
    "LogFull",
    "LogLocked",
    "LogMissing",
    "LogReadFailed",
    "LogWriteFailed",
    "NoSuchTopic",
    "WrongSchema",
]


class LogMissing(WrongUse):
    """The folder does not exist."""

    code = "log_missing"


class ForeignFolder(WrongUse):
    """The folder exists and is not a log."""

    code = "foreign_folder"


class LogExists(WrongUse):
    """A new log was asked for where one lies already."""

    code = "log_exists"


class LogLocked(WrongUse):
    """Another process writes this log."""

    code = "log_locked"


class LogClosed(WrongUse):
    """The log is closed by its manifest and takes no more records."""

    code = "log_closed"


class NoSuchTopic(WrongUse):
    """The log holds no such topic."""

    code = "no_such_topic"


class LogFull(BadData):
    """The disk, the quota or the file size limit has no room for a block; what was written before
    it is kept.
    """

    code = "log_full"


class LogWriteFailed(BadData):
    """The operating system refused a write or a sync for another reason than room."""

    code = "log_write_failed"


class LogReadFailed(BadData):
    """The operating system refused a read."""

    code = "log_read_failed"


class WrongSchema(BadData):
    """A file was written with another schema than this code's."""

    code = "wrong_schema"


class CorruptBlock(CorruptLog):
    """Bytes of a segment or its index are not what was written.

    Attributes:
        path: the file.
        position: byte position of the damaged header, block or entry in the file.
        offset: offset of the first record that cannot be read.
    """

    code = "corrupt_block"

    def __init__(self, path: str, position: int, offset: int, what: str) -> None:
        super().__init__(
            f"{path}: at byte {position}, from offset {offset}: {what}; run 'sq verify' on the "
            "folder and restore the file"
        )
        self.path = path
        self.position = position
        self.offset = offset
        self.what = what
