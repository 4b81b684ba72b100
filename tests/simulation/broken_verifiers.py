"""The verifier of a live topology, broken on purpose; ``mutations.py`` says what each is, and by
what it must be caught.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from streams.runtime.journal.divergence import Divergence, Kind
from streams.runtime.journal.journal import CLOSE, JournalEntry
from streams.runtime.live.evidence import LiveEvidence
from streams.runtime.live.stored import read_journal
from streams.runtime.verify.verify import Verifier


class ForgivesForeign(LiveEvidence):
    """A Close ends every doubt about what lies in the outputs."""

    def end(self, verdict: Any) -> list[Divergence]:
        return [] if verdict.closed else super().end(verdict)


class OutputsUnread(Verifier):
    """The journal's digests are believed, whatever the outputs hold."""

    def _compare_outputs(self, entry: Any, batch: Any) -> tuple[Any, str]:
        super()._compare_outputs(entry, batch)
        return None, ""


class OffsetsUnread(Verifier):
    """Where records lie is not compared with what the journal says."""

    def _compare_outputs(self, entry: Any, batch: Any) -> tuple[Any, str]:
        return super()._compare_outputs(entry, batch)[0], ""


class ChainUnchecked(LiveEvidence):
    """A journal record need not continue the one before it."""

    def journal(self) -> Iterator[JournalEntry]:
        reader = self.log.reader("verify")
        self._end = reader.end(self.partition)
        for offset in range(reader.start(self.partition), self._end):
            for _, entry in read_journal(reader, self.partition, offset, offset + 1):
                yield entry


class StopsAtClose(LiveEvidence):
    """What comes behind a Close is not looked at."""

    def journal(self) -> Iterator[JournalEntry]:
        for entry in super().journal():
            yield entry
            if entry.kind == CLOSE:
                return


class RetentionForgotten(LiveEvidence):
    """What retention removed is called a change."""

    def explain(self, problem: Any) -> Divergence | None:
        found = super().explain(problem)
        is_removed = found is not None and found.kind is Kind.RETENTION
        return Divergence(Kind.OUTPUT, problem.text) if is_removed else found


class ElementsBelieved(Verifier):
    """What the inputs cannot give is passed over."""

    def _batch(self, entry: Any, execution: Any) -> Divergence | None:
        found = super()._batch(entry, execution)
        if found is not None and found.kind in (Kind.INPUT, Kind.JOURNAL):
            raise StopIteration
        return found

    def _journal(self) -> list[Divergence]:
        try:
            return super()._journal()
        except StopIteration:
            return []


EVIDENCES: dict[str, type[LiveEvidence]] = {
    "close-forgives-foreign": ForgivesForeign,
    "chain-not-checked": ChainUnchecked,
    "stops-at-close": StopsAtClose,
    "retention-called-tampering": RetentionForgotten,
}
VERIFIERS: dict[str, type[Verifier]] = {
    "outputs-not-compared": OutputsUnread,
    "offsets-not-compared": OffsetsUnread,
    "elements-believed": ElementsBelieved,
}
