"""A TCP proxy before a broker that does to Kafka's answers what networks do: delay, narrow, stall,
cut, lose.

It knows the protocol's frames (length, API key, correlation id), so it can lose the answer to one
kind of request while that request itself has reached the broker: ``proxy.lose_answer(END_TXN)`` is
the commit whose outcome nobody knows. The broker must advertise the proxy's address, or clients go
round it after their first metadata answer: ``Broker(folder, advertised=proxy.address)``.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from types import TracebackType
from typing import Literal, Self

(
    PRODUCE,
    FETCH,
    METADATA,
    FIND_COORDINATOR,
    INIT_PRODUCER_ID,
    ADD_PARTITIONS,
    END_TXN,
    TXN_OFFSET_COMMIT,
) = 0, 1, 3, 10, 22, 24, 26, 28
"""API keys of the requests that are worth losing an answer to."""
OFFSET_COMMIT, OFFSET_FETCH, JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP, CONSUMER_HEARTBEAT = (
    8,
    9,
    11,
    12,
    13,
    14,
    68,
)
COORDINATOR = {FIND_COORDINATOR, INIT_PRODUCER_ID, ADD_PARTITIONS, END_TXN, TXN_OFFSET_COMMIT,
OFFSET_COMMIT, OFFSET_FETCH,
               JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP, CONSUMER_HEARTBEAT}  # fmt: skip
"""What goes to coordinators of transactions and groups."""
Direction = Literal["up", "down"]
"""``up`` is client to broker, ``down`` broker to client."""
CHUNK = 65536


class LostAnswer:
    """One answer that is to be lost. ``done`` is set once it has come from the broker and was kept
    from the client.
    """

    def __init__(self, api_key: int, how: Literal["swallow", "cut", "half"]) -> None:
        self.api_key = api_key
        self.how = how
        self.done = threading.Event()
        # (connection, correlation id) of the request that was caught
        self.correlation: tuple[int, int] | None = None


class FaultProxy:
    """Listens at ``address`` and forwards to ``target``.

    Args:
        target: ``HOST:PORT`` of the broker; may be set later, before the first client.
        seed: of the jitter.

    Attributes:
        latency_seconds, jitter_seconds: added to each frame, in both directions; order is kept.
        bytes_per_second: width of each connection's direction; 0 is unlimited.
        requests: how many requests of each API key came.
        dropped: how many of them went no further.
    """

    def __init__(self, target: str = "", *, seed: int = 0) -> None:
        self.target = target
        self.latency_seconds = 0.0
        self.jitter_seconds = 0.0
        self.bytes_per_second = 0.0
        self.requests: Counter[int] = Counter()
        self._random = random.Random(seed)
        self._lock = threading.Condition()
        self._stalled: set[Direction] = set()
        self._dropped: set[int] = set()
        self.dropped = 0
        self._refusing = False
        self._losses: list[LostAnswer] = []
        self._connections: dict[int, tuple[socket.socket, socket.socket]] = {}
        self._count = 0
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="fault-proxy", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """``HOST:PORT`` for the clients, and for the broker to advertise."""
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open."""
        with self._lock:
            return len(self._connections)

    def stall(self, direction: Direction) -> None:
        """Forward nothing more in this direction; connections stay open."""
        with self._lock:
            self._stalled.add(direction)

    def drop(self, api_keys: Iterable[int]) -> None:
        """Forward no request of these API keys; what is dropped is gone, also once all is well
        again.
        """
        with self._lock:
            self._dropped.update(api_keys)

    def cut(self) -> None:
        """Reset every connection and refuse new ones: the broker is away."""
        self._refusing = True
        self.reset()

    def reset(self) -> None:
        """Reset every connection (RST); new ones are accepted."""
        with self._lock:
            open_now = list(self._connections)
        for number in open_now:
            self._reset(number)

    def lose_answer(
        self, api_key: int, how: Literal["swallow", "cut", "half"] = "cut"
    ) -> LostAnswer:
        """Lose the answer to the next request of this API key: the request reaches the broker, the
        answer does not reach the client.

        ``swallow`` says nothing, ``cut`` resets the connection in its place, ``half`` after half of
        its bytes.
        """
        loss = LostAnswer(api_key, how)
        with self._lock:
            self._losses.append(loss)
        return loss

    def heal(self) -> None:
        """End every fault; what was stalled goes on."""
        with self._lock:
            self.latency_seconds = self.jitter_seconds = self.bytes_per_second = 0.0
            self._stalled.clear()
            self._dropped.clear()
            self._losses.clear()
            self._refusing = False
            self._lock.notify_all()

    def close(self) -> None:
        """Reset everything and listen no more."""
        self._closed = True
        self.heal()
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing or self._closed:
                _abort(client)
                continue
            host, port = self.target.rsplit(":", 1)
            try:
                broker = socket.create_connection((host, int(port)), timeout=5)
            except OSError:
                _abort(client)
                continue
            broker.settimeout(None)
            for end in (client, broker):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._count += 1
                number = self._count
                self._connections[number] = (client, broker)
            for direction, source, sink in (("up", client, broker), ("down", broker, client)):
                _Pump(self, number, direction, source, sink).start()  # type: ignore[arg-type]

    def _reset(self, number: int) -> None:
        with self._lock:
            ends = self._connections.pop(number, ())
            self._lock.notify_all()
        for end in ends:
            _abort(end)

    def _due(self) -> float:
        return (
            time.monotonic() + self.latency_seconds + self._random.uniform(0, self.jitter_seconds)
        )

    def _wait(self, direction: Direction, number: int, due: float) -> bool:
        """Wait for a frame's time and for a stall to end; False if the connection is gone."""
        with self._lock:
            while number in self._connections:
                rest = due - time.monotonic()
                if direction in self._stalled:
                    self._lock.wait(1)
                elif rest > 0:
                    self._lock.wait(rest)
                else:
                    return True
        return False

    def _note_request(self, number: int, frame: bytes) -> bool:
        """False if it is to be dropped."""
        api_key, _, correlation = struct.unpack_from(">hhi", frame, 4)
        with self._lock:
            self.requests[api_key] += 1
            if api_key in self._dropped:
                self.dropped += 1
                return False
            for loss in self._losses:
                if loss.api_key == api_key and loss.correlation is None:
                    loss.correlation = (number, correlation)
                    break
        return True

    def _loss_of(self, number: int, frame: bytes) -> LostAnswer | None:
        (correlation,) = struct.unpack_from(">i", frame, 4)
        with self._lock:
            for loss in self._losses:
                if loss.correlation == (number, correlation):
                    self._losses.remove(loss)
                    return loss
        return None


class _Pump:
    """One direction of one connection: a thread reads whole frames, another sends each when it is
    due.
    """

    def __init__(
        self,
        proxy: FaultProxy,
        number: int,
        direction: Direction,
        source: socket.socket,
        sink: socket.socket,
    ) -> None:
        self.proxy, self.number, self.direction, self.source, self.sink = (
            proxy,
            number,
            direction,
            source,
            sink,
        )
        self.frames: deque[tuple[float, bytes, LostAnswer | None] | None] = deque()
        self.ready = threading.Semaphore(0)

    def start(self) -> None:
        for work in (self._read, self._send):
            threading.Thread(
                target=work, name=f"fault-proxy-{self.number}-{self.direction}", daemon=True
            ).start()

    def _read(self) -> None:
        try:
            while True:
                head = _exactly(self.source, 4)
                frame = head + _exactly(self.source, int.from_bytes(head, "big"))
                loss = None
                if self.direction == "up":
                    if not self.proxy._note_request(self.number, frame):
                        continue
                else:
                    loss = self.proxy._loss_of(self.number, frame)
                self._put((self.proxy._due(), frame, loss))
        except OSError:
            self._put(None)

    def _put(self, item: tuple[float, bytes, LostAnswer | None] | None) -> None:
        self.frames.append(item)
        self.ready.release()

    def _send(self) -> None:
        while True:
            self.ready.acquire()
            item = self.frames.popleft()
            if item is None or not self.proxy._wait(self.direction, self.number, item[0]):
                self.proxy._reset(self.number)
                return
            _, frame, loss = item
            try:
                if loss is None:
                    self._transmit(frame)
                else:
                    self._lose(loss, frame)
            except OSError:
                self.proxy._reset(self.number)
                return

    def _lose(self, loss: LostAnswer, frame: bytes) -> None:
        if loss.how == "half":
            self.sink.sendall(frame[: max(len(frame) // 2, 1)])
        if loss.how != "swallow":
            self.proxy._reset(self.number)
        loss.done.set()

    def _transmit(self, frame: bytes) -> None:
        if not self.proxy.bytes_per_second:
            self.sink.sendall(frame)
            return
        for first in range(0, len(frame), CHUNK):
            part = frame[first : first + CHUNK]
            self.sink.sendall(part)
            if self.proxy.bytes_per_second:
                time.sleep(len(part) / self.proxy.bytes_per_second)


def _exactly(source: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = source.recv(min(count - len(parts), 1 << 20))
        if not part:
            raise ConnectionResetError
        parts += part
    return bytes(parts)


def _abort(end: socket.socket) -> None:
    """Close with a reset; a thread that waits in ``recv`` is woken."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    end.close()
