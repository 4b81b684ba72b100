"""How the records of a range are read: which schema ids are the topic's, and which schema each is
of.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from schemas.errors import ShrivenError
from streams.log.kafka.framing import NOT_FRAMED
from streams.log.kafka.versions import Versions
from streams.log.older import OlderSchema

Array = np.ndarray[Any, Any]
SchemaReader = OlderSchema | str | None
"""Of records of one id: another version's schema; a text that says why they are none of the
topic's; None: our schema.
"""


class Reading:
    """How records of a topic are read, by their schema ids.

    Args:
        topic: its name in the catalogue.
        ids: those that the topic's journal pins; none: any.
        versions: what the registry says of others; None where there is none.
        kept: the pinned ids' schema where that is another version's: their records are kept as they
            lie, and no others.
    """

    def __init__(
        self,
        topic: str,
        ids: Iterable[int] = (),
        versions: Versions | None = None,
        kept: OlderSchema | None = None,
    ) -> None:
        self._topic = topic
        self._ids = frozenset(ids)
        self._versions = versions
        self._kept = kept

    def of(self, schema_id: int) -> SchemaReader:
        """The reader of records of this id, None where their schema is ours; a text: why they are
        none of the topic's.
        """
        if schema_id == NOT_FRAMED:
            return "not framed"
        if self._kept is not None:
            return self._kept if schema_id in self._ids else "another schema than the journal's"
        if schema_id in self._ids:
            return None
        if not self._ids:
            return (
                None if self._versions is None else self._versions.taken_for(self._topic, schema_id)
            )
        if self._versions is None:
            return "another schema id than the journal's, and no registry that knows it"
        try:
            return self._versions.of(self._topic, schema_id)
        except ShrivenError as problem:
            return problem.text

    def runs(self, schema_ids: Array) -> Iterable[tuple[int, int, SchemaReader]]:
        """(first, stop, reader) of the runs of records that are read alike."""
        found, inverse = np.unique(schema_ids, return_inverse=True)
        readers = [self.of(each) for each in found.tolist()]
        kinds = list(dict.fromkeys(readers))
        places = np.array([kinds.index(each) for each in readers])[inverse]
        starts = np.flatnonzero(np.diff(places, prepend=-1)).tolist()
        for first, stop in zip(starts, [*starts[1:], len(places)], strict=True):
            yield first, stop, kinds[places[first]]

    def is_kept(self, older: SchemaReader) -> bool:
        """True if records of this reader are kept with their own schema."""
        return self._kept is not None and older is self._kept

    def check_answered(self, schema_id: int) -> None:
        """Raise the registry's error where nobody knows whether such a record is none of the
        topic's.
        """
        if self._versions is not None and schema_id not in self._ids:
            trouble = self._versions.trouble(self._topic, schema_id)
            if trouble is not None:
                raise trouble
