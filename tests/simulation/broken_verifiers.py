"""The verifier of a live topology, broken on purpose; ``mutations.py`` says what each is, and by what it must be caught."""

from __future__ import annotations

from typing import Any

from streams.runtime.journal import CLOSE
from streams.runtime.live import verify
from streams.runtime.live.stored import read_journal
from streams.runtime.live.verify import LiveVerifier


class ForgivesForeign(LiveVerifier):
    """A Close ends every doubt about what lies in the outputs."""

    def _end(self, spec: Any, end: int) -> None:
        if not self.verdict.closed:
            super()._end(spec, end)


class OutputsUnread(LiveVerifier):
    """The journal's digests are believed, whatever the outputs hold."""

    def _compare_published(self, entry: Any, batch: Any, spec: Any) -> tuple[str, str]:
        super()._compare_published(entry, batch, spec)
        return "", ""


class OffsetsUnread(LiveVerifier):
    """Where records lie is not compared with what the journal says."""

    def _compare_published(self, entry: Any, batch: Any, spec: Any) -> tuple[str, str]:
        return super()._compare_published(entry, batch, spec)[0], ""


class ChainUnchecked(LiveVerifier):
    """A journal record need not continue the one before it."""

    def _verify(self) -> None:
        def unchained(reader: Any, partition: Any, start: int, end: int, previous: Any = None) -> Any:
            for offset in range(start, end):
                yield from read_journal(reader, partition, offset, offset + 1)

        verify.read_journal = unchained  # type: ignore[assignment]
        try:
            super()._verify()
        finally:
            verify.read_journal = read_journal


class StopsAtClose(LiveVerifier):
    """What comes behind a Close is not looked at."""

    def _verify(self) -> None:
        def until_close(*arguments: Any) -> Any:
            for offset, entry in read_journal(*arguments):
                yield offset, entry
                if entry.kind == CLOSE:
                    return

        verify.read_journal = until_close  # type: ignore[assignment]
        try:
            super()._verify()
        finally:
            verify.read_journal = read_journal


class RetentionForgotten(LiveVerifier):
    """What retention removed is called a change."""

    def _found(self, kind: str, text: str) -> None:
        super()._found("output" if kind == "retention" else kind, text)


class ElementsBelieved(LiveVerifier):
    """What the inputs cannot give is passed over."""

    def _batch(self, entry: Any, execution: Any, spec: Any) -> bool:
        before = list(self.verdict.findings)
        is_good = super()._batch(entry, execution, spec)
        if not is_good and all(finding.kind in ("input", "journal") for finding in self.verdict.findings):
            self.verdict.findings[:] = before
        return is_good


VERIFIERS: dict[str, type[LiveVerifier]] = {
    "close-forgives-foreign": ForgivesForeign,
    "outputs-not-compared": OutputsUnread,
    "offsets-not-compared": OffsetsUnread,
    "chain-not-checked": ChainUnchecked,
    "stops-at-close": StopsAtClose,
    "retention-called-tampering": RetentionForgotten,
    "elements-believed": ElementsBelieved,
}
