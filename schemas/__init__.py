"""Every record the pipeline reads or writes, its bytes, and the errors a user sees.

The ``*.avsc`` files are the one source; ``python -m schemas.generate`` writes the rest from them:

1. ``vocabulary.py``: one enum class per Avro enum, and the data-quality flags;
2. ``records.py``: one frozen struct per record, which ledgers and strategies use;
3. ``compiled/``: per fixed-width record its NumPy dtype and the kernels that read and write its
   bytes.

Start reading at ``codec.py`` (records and rows to Avro bytes and back), then ``catalogue.py``
(which topic holds which record).
"""
