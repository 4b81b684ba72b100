"""Topics as files that other tools read, and back.

- :mod:`~jobs.exporting.cells`: a record's fields as cells of columns, and back;
- :mod:`~jobs.exporting.description`: what stands beside a file, from which it is read back;
- :mod:`~jobs.exporting.frames`: columns as CSV, Parquet, Arrow; the one module that needs polars;
- :mod:`~jobs.exporting.topic_file`: a topic to a file, files to a recording.
"""
