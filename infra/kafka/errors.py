"""What can go wrong with a local service, each with what to do."""

from __future__ import annotations

from schemas.errors import ShrivenError, WrongUse


class NoJava(WrongUse):
    """No Java that is new enough."""

    code = "no_java"


class NoArtifacts(ShrivenError):
    """The program's files are not here and cannot be fetched."""

    code = "no_artifacts"


class NoEngine(WrongUse):
    """A container engine was asked for and does not answer."""

    code = "no_engine"


class ServiceFailed(ShrivenError):
    """A service ended, or did not answer in time; the text has its last words and names its log."""

    code = "service_failed"
