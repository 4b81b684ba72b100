"""Stream jobs on a Kafka cluster: what ``sq run`` deploys.

- ``deployment.py``: what a job is (topology, configuration, cluster) and the task it makes for one
  shard;
- ``topic_ownership.py``: one owner for every topic: claims of topologies;
- ``parent.py``: membership and supervision; ``membership.py``: which shards this member owns;
  ``instance_index.py``: its stable instance id;
- ``warm.py``: the process that every other one is a fork of; ``children.py``: these processes as
  the member sees them;
- ``followers.py``: those that follow a shard; ``restarts.py``: what comes after an end;
- ``child.py``: the process of one shard; ``standby.py``: what it does before it owns it;
  ``observer.py``: what it tells of itself;
- ``proof.py``: ``sq verify kafka://...``.

Start reading at ``parent.py``.
"""
