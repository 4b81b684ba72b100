"""What a manifest says of the topics of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from streams.log.digest import topic_digest
from streams.log.local import LocalLog
from streams.log.reader import TopicReader
from streams.log.verify import HASHING


def topics_of(log: LocalLog, topics: Sequence[str]) -> dict[str, Any]:
    """What a manifest says of topics: ``count`` of records and ``digest`` of each. Raises
    CorruptBlock.
    """

    def facts(reader: TopicReader) -> dict[str, Any]:
        digest = topic_digest(reader, codec(topic_of(reader.topic).record))
        return {"count": reader.end_offset - reader.start_offset, "digest": digest.hex()}

    with ThreadPoolExecutor(HASHING) as pool:
        return dict(
            zip(topics, pool.map(facts, [log.reader(topic) for topic in topics]), strict=True)
        )
