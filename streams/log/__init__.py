"""The local log: a folder of Avro object-container files that survives kill -9 and finds a flipped
byte.

``<log>/<topic>/<partition>/<first offset, 20 digits>.avro`` (partition 0 unless one is named) holds
the records (codec null, so a block's body is the records' bytes as the codec wrote
them), an ``.index`` beside each file says where its blocks lie, ``log.lock`` marks the folder and
carries the writer's lock, and ``log.json`` (an imported log) or ``run.json`` (a run) closes it.
fastavro and polars read every file.

Where to start reading:

- :mod:`streams.log.local` opens a folder and hands out writers and readers;
- :mod:`streams.log.container` is the file format, :mod:`streams.log.index` the index,
  :mod:`streams.log.segment` one file of both;
- :mod:`streams.log.runs` keeps the offsets of a topic pulled from Kafka, which have holes: the
  ``.runs`` beside its index;
- :mod:`streams.log.writer` appends blocks, :mod:`streams.log.recovery` cuts a torn tail,
  :mod:`streams.log.reader` reads and seeks;
- :mod:`streams.log.digest` says what a topic's records are, whatever the blocks;
  :mod:`streams.log.manifest` closes a folder;
- :mod:`streams.log.verify` finds and locates what was changed since.

What it costs, by ``python tests/benchmarks/log.py`` on two shared virtual cores: appending 1.3 to
2.1 GB/s and reading 1.9 to 5.5 GB/s of depth updates in blocks of 4,096, checksums included (a
plain file: 1.7 to 2.8 and 3.5 to 9.3); a block of 40 bytes under 10 microseconds. The sync policy
decides the rest: "never" and "close" add nothing to a commit and survive kill -9 alike (the
operating system has the bytes); "commit" survives a power cut too and costs one fdatasync a topic
and batch, 4 to 6 milliseconds on that machine's disk.
"""
