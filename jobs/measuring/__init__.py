"""The measures of a recording, without a strategy: ``sq features``.

- :mod:`~jobs.measuring.running`: the market's stages over a recording, their rows in memory;
- :mod:`~jobs.measuring.series`: a field of the rows as numbers over time, and why it is null;
- :mod:`~jobs.measuring.summary`: each field in numbers, as a table or JSON;
- :mod:`~jobs.measuring.drawing`: the fields over time, as a page or a picture.
"""
