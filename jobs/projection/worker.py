"""The worker: a Faust app with one agent that applies the topics to the tables.

Settings are rules, each for a measured reason (docs/decisions/0010-no-trading-stage-on-faust.md):
the aiokafka driver, at least once, one agent at a time, values as raw bytes. Exactly once comes
from the marks in PostgreSQL. Any failure ends the process without a word to Kafka; the next worker
goes on from the marks, and so does the one that takes its partitions over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import faust
from yarl import URL

from connectors.framed import decoder
from connectors.postgres.database import connect
from connectors.postgres.migrations import migrate
from connectors.postgres.projection import GapFound, LoggedRecord, Projection
from jobs.projection.consumer import CommittedTransport
from jobs.projection.credentials import broker_credentials
from jobs.projection.place import Place, bounds, check_retention, claim, topic_ids
from jobs.telemetry.logs import Log, library_logger
from streams.log.kafka.transport import TransportFailed

BATCH_RECORDS = 2_000
BATCH_SECONDS = 0.2
SESSION_SECONDS = 10.0
GAPS_MAX = 5


class Sink:
    """The tables as the worker sees them: one session, one caller at a time."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._turn = threading.Lock()
        self._session = connect(place.database, place.schema)
        migrate(self._session, place.schema)
        claim(self._session, place.schema, alone=False)
        self._projection = Projection(self._session, decoder(place.cluster), topic_ids(place))
        check_retention(self._projection.marks(), bounds(place))

    def positions(self, partitions: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], int]:
        """Marks of partitions by their names on the cluster; 0 where nothing was applied."""
        with self._turn:
            marks = self._projection.marks()
        return {
            (name, number): marks.get((self.place.topics[name], number), 0)
            for name, number in partitions
        }

    def apply(self, records: Sequence[LoggedRecord]) -> int:
        """Apply a batch; how many records were new."""
        with self._turn:
            return self._projection.apply(records)

    def close(self) -> None:
        """Give the session back, once it is not in use."""
        with self._turn:
            self._session.close()


class ProjectionApp(faust.App):
    """Faust's app over the transport that reads committed records from the marks."""

    sink: Sink

    def _new_transport(self) -> Any:
        transport = CommittedTransport(self.conf.broker_consumer, self)
        transport.positions = self.sink.positions
        return transport

    def _create_directories(self) -> None:
        """None: nothing here is stored on disk, and Faust would leave empty folders wherever it is
        started.
        """


class Worker:
    """A running projection. ``failure``: what ended it, None while it runs and after a clean stop.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.failure: BaseException | None = None
        self.applied = 0
        self.sink = Sink(place)
        self.app = self._make_app()

    def _make_app(self) -> ProjectionApp:
        place = self.place
        app = ProjectionApp(
            place.group,
            broker=[URL(f"aiokafka://{address}") for address in place.cluster.bootstrap.split(",")],
            broker_credentials=broker_credentials(place.cluster),
            broker_client_id=place.group,
            broker_session_timeout=SESSION_SECONDS,
            broker_heartbeat_interval=SESSION_SECONDS / 10,
            # the others wait so long for one that died while partitions moved
            broker_rebalance_timeout=3 * SESSION_SECONDS,
            broker_commit_interval=1.0,
            processing_guarantee="at_least_once",
            # a mark that retention has overtaken is an error, never a jump
            consumer_auto_offset_reset="none",
            value_serializer="raw",
            key_serializer="raw",
            store="memory://",
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            autodiscover=False,
            web_enabled=False,
        )
        app.sink = self.sink
        topic = app.topic(*place.topics, key_type=bytes, value_type=bytes)

        async def project(stream: Any) -> None:
            gaps = 0
            async for events in stream.take_events(BATCH_RECORDS, within=BATCH_SECONDS):
                try:
                    self.applied += await asyncio.to_thread(
                        self.sink.apply, [self._logged(event.message) for event in events]
                    )
                    gaps = 0
                except GapFound as problem:
                    gaps += 1
                    if gaps > GAPS_MAX:
                        await self._end(problem)
                    await app.consumer.perform_seek()
                except asyncio.CancelledError:
                    # partitions move, or it stops; what is being applied is, and what is not is
                    # read again from the marks
                    raise
                except BaseException as problem:  # noqa: BLE001 - Faust would acknowledge the batch and go on behind it
                    await self._end(problem)

        app.agent(topic, name="projection", concurrency=1)(project)
        return app

    def _logged(self, message: Any) -> LoggedRecord:
        consumer: Any = self.app.consumer
        after = consumer.starts.pop(
            (message.topic, message.partition, message.offset), message.offset
        )
        return LoggedRecord(
            self.place.topics[message.topic],
            message.partition,
            message.offset,
            message.value or b"",
            after,
        )

    async def _end(self, problem: BaseException) -> None:
        """End the process: it is told to, so that connections are given back, and nothing more is
        acknowledged.
        """
        self.failure = self.failure or problem
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()


def run(place: Place) -> Worker:
    """Follow the topics until SIGTERM or SIGINT.

    Raises:
        ShrivenError: what ended it: a record that cannot be projected, tables that were replaced, a
            database or cluster that went away.
    """
    worker = Worker(place)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    library_logger(Log({"job": "sink"}), logging.ERROR)
    with open(os.devnull, "w") as nowhere:  # its spinner; what is to be said is said here
        service = faust.Worker(
            worker.app,
            loop=loop,
            loglevel=os.environ.get("SQ_FAUST_LOG", "CRITICAL"),
            quiet=True,
            redirect_stdouts=False,
            stdout=nowhere,
            override_logging=False,
        )
        with contextlib.suppress(SystemExit):  # how Faust ends
            service.execute_from_commandline()
    worker.sink.close()
    if worker.failure is not None:
        raise worker.failure
    crash = service.crash_reason or worker.app.crash_reason
    if crash is not None:
        raise TransportFailed(
            f"the consumer ended with {type(crash).__name__}: {crash}; start it again: it goes on "
            "from the marks"
        ) from crash
    return worker
