"""Topics with their registered schemas for tests of the edges, and records written to them as the
runner writes: framed, in transactions.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from confluent_kafka.admin import AdminClient, NewTopic

from jobs.sq import main
from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.registry import Registry
from streams.log.kafka.client import KafkaLog
from streams.log.kafka.cluster import Cluster
from streams.log.kafka.framing import header
from streams.log.kafka.scan import committed, facts_of
from streams.log.kafka.transport import Fetched
from streams.log.kafka.writer import KafkaWriter
from tests.kafka.settled import settled_ends
from tests.other_schemas import rewritten

ROOT = Path(__file__).resolve().parents[2]


class Ended(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class EdgeTopics:
    """Topics of one environment. ``ids``: registry id by topic; ``versions``: another version's
    schema that a topic is written with.
    """

    def __init__(
        self,
        cluster: Cluster,
        topics: Sequence[str],
        partitions: int = 1,
        versions: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        self.cluster = cluster
        self.versions = versions or {}
        self.log = KafkaLog(cluster)
        self._writers: dict[tuple[str, int], KafkaWriter] = {}
        admin = AdminClient(cluster.client())
        shards = {
            name: 1 if name.startswith(("control", "ref.")) else partitions for name in topics
        }
        made = admin.create_topics(
            [
                NewTopic(cluster.name(name), num_partitions=count, replication_factor=1)
                for name, count in shards.items()
            ]
        )
        for future in made.values():
            future.result(30)
        with Registry(cluster) as registry:
            self.ids = {name: registry.register(name, self.versions.get(name)) for name in topics}

    def framed(self, topic: str, record: Any) -> bytes:
        """The value of a record."""
        name = topic_of(topic).record
        body = codec(name).encode_records([record])
        return header(self.ids[topic]) + (
            rewritten(name, self.versions[topic], body) if topic in self.versions else body
        )

    def write(
        self, topic: str, values: Sequence[bytes], partition: int = 0, commit: bool = True
    ) -> None:
        """One transaction of these values, committed or aborted."""
        writer = self._writers.get((topic, partition))
        if writer is None:
            writer = self._writers[topic, partition] = self.log.writer(
                f"{self.cluster.name(topic)}.{partition}.test"
            )
            writer.init()
        writer.begin()
        writer.produce(self.cluster.name(topic), partition, list(values))
        if commit:
            writer.commit()
            settled_ends(self.cluster, [(self.cluster.name(topic), partition)])
        else:
            writer._producer.flush(10)  # the records are on the log, behind them an abort marker
            writer.abort()

    def read(self, topic: str) -> list[Fetched]:
        """Every committed record, partition by partition: a reader of several is given them in any
        order.
        """
        name = self.cluster.name(topic)
        settled_ends(
            self.cluster,
            [(name, number) for number in range(facts_of(self.log, [name])[name].partitions)],
        )
        found = [each for chunk in committed(self.log, "test", [name]) for each in chunk]
        return sorted(found, key=lambda each: (each.partition, each.offset))

    def environment(self, **more: str) -> dict[str, str]:
        """Variables with which a command finds this cluster and environment."""
        named = {
            "SQ_KAFKA_BOOTSTRAP": self.cluster.bootstrap,
            "SQ_KAFKA_REGISTRY": self.cluster.registry,
            "SQ_KAFKA_ENVIRONMENT": self.cluster.environment,
            "SQ_OPERATOR": "tester",
        }
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("SQ_KAFKA_")},
            **named,
            **more,
        }

    def sq(self, *arguments: str, **more: str) -> Ended:
        """Run a command as a user types it, in this process: what it costs is the broker's time,
        not the interpreter's start.
        """
        # records are written to its buffer
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environment(**more), clear=True),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            try:
                code = main(list(arguments))
            except SystemExit as ended:  # argparse
                code = int(ended.code or 0)
        return Ended(code, out.buffer.getvalue().decode(), err.getvalue())  # type: ignore[attr-defined]
