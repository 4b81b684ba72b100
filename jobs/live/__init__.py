"""Stream jobs on a Kafka cluster: what ``sq run`` deploys.

- ``deployment.py``: what a job is (topology, configuration, cluster) and the task it makes for one shard;
- ``claims.py``: one owner for every topic: claims of topologies;
- ``parent.py``: membership and supervision; ``membership.py``: which shards this member owns; ``slot.py``: its stable instance id;
- ``child.py``: the process of one shard; ``telling.py``: what it tells of itself;
- ``proof.py``: ``sq verify kafka://...``.

Start reading at ``parent.py``.
"""
