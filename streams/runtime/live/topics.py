"""What a task's topics are on the log, and that they stay what they were: a topic made anew is
otherwise read on without a word.
"""

from __future__ import annotations

from typing import Any

from schemas.catalogue import topic as topic_of
from schemas.codec import codec
from schemas.errors import CorruptLog
from schemas.user_topics import BadUserTopic, is_user_topic, register, schema_fact
from streams.log.kafka.transport import Admin, Reader, TopicChanged
from streams.runtime.live.spec import TaskSpec


def topic_facts(admin: Admin, spec: TaskSpec) -> dict[str, Any]:
    """Identity of every input and output as it is on the log now. Raises TopicChanged for one that
    is not there.
    """
    names = {topic: spec.name(topic) for topic in [*spec.inputs, *spec.published]}
    found = admin.describe(list(names.values()))
    for topic, name in names.items():
        if name not in found:
            raise TopicChanged(
                f"topic {name} is not on the cluster; make it with 'sq topics apply'"
            )
        partition = spec.partition_of(topic)[1]
        if partition >= found[name].partitions:
            has = found[name].partitions
            raise TopicChanged(
                f"topic {name} has {has} partitions, shard {spec.shard} needs number {partition}; "
                "see 'sq topics drift'"
            )
    inputs = [
        {
            "topic": topic,
            "partition": spec.partition_of(topic)[1],
            "topic_id": found[names[topic]].topic_id,
            "partitions": found[names[topic]].partitions,
            "fingerprint": codec(topic_of(topic).record).fingerprint.hex(),
            "schema_ids": spec.ids_of(topic),
        }
        for topic in spec.inputs
    ]
    outputs = [
        {
            "topic": topic,
            "partition": spec.partition_of(topic)[1],
            "topic_id": found[names[topic]].topic_id if topic in spec.published else "",
            "published": topic in spec.published,
            "fingerprint": codec(topic_of(topic).record).fingerprint.hex(),
            "schema_id": spec.schema_ids.get(topic, -1),
            **schema_fact(topic),
        }
        for topic in spec.outputs
    ]
    return {"inputs": inputs, "outputs": outputs}


def know_topics_in(facts: dict[str, Any]) -> None:
    """Make the users' topics among the outputs known, as a genesis record has them.

    Raises:
        CorruptLog: what it says of one cannot be.
    """
    for item in facts["outputs"]:
        topic, schema = item["topic"], item.get("schema")
        if not is_user_topic(topic):
            continue
        try:
            register(topic, schema, is_found=True)
        except BadUserTopic as problem:
            raise CorruptLog(f"the genesis record's output {topic}: {problem}") from problem


def genesis_facts(admin: Admin, reader: Reader, spec: TaskSpec) -> dict[str, Any]:
    """What the genesis record says: the task's facts, every topic's identity, and from where on it
    is read or written.
    """
    facts = {**spec.facts, **topic_facts(admin, spec)}
    for item in facts["inputs"]:
        item["start_offset"] = _start_of(reader, spec, item["topic"])
    for item in facts["outputs"]:
        item["start_offset"] = (
            reader.end(spec.partition_of(item["topic"])) if item["published"] else -1
        )
    return facts


def _start_of(reader: Reader, spec: TaskSpec, topic: str) -> int:
    """Where a topic nothing was read of begins. Reference data and control are always read whole.
    """
    partition = spec.partition_of(topic)
    is_whole = spec.start == "earliest" or not topic.startswith("md.")
    reader.assign({})
    return reader.start(partition) if is_whole else reader.end(partition)


def check_topics(admin: Admin, spec: TaskSpec, genesis: dict[str, Any]) -> None:
    """Refuse to go on with a topic that is not the one that was begun with.

    Raises:
        TopicChanged: made anew, gone, or of another number of partitions.
    """
    now = topic_facts(admin, spec)
    for side in ("inputs", "outputs"):
        for before, found in zip(genesis[side], now[side], strict=True):
            if before.get("topic_id") and found["topic_id"] != before["topic_id"]:
                raise TopicChanged(
                    f"topic {before['topic']} is not the one this topology began with: it was "
                    "deleted and made anew; its journal cannot go on. Close the topology with 'sq "
                    "stop --close' and start another, or restore the topic"
                )
            if side == "inputs" and found["partitions"] != before["partitions"]:
                raise TopicChanged(
                    f"topic {before['topic']} has {found['partitions']} partitions, this topology "
                    f"began with {before['partitions']}: keys have moved between shards; close the "
                    "topology and start another"
                )
