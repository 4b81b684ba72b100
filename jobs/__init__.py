"""What one types: the ``sq`` command (``sq.py``, one module per command in ``commands/``) and what
the commands share.

``configuration.py`` is what a backtest is and what of it makes up its identity; ``pipeline.py`` the
stages with their settings; ``runs.py`` run folders; ``verification.py`` and ``reports.py`` what is
done with one; ``quantities.py``, ``rendering.py``, ``progress.py`` and ``helping.py`` text in and
out.
"""
