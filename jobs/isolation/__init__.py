"""A stranger's strategy in a process of its own: it gets its records and gives back its records,
and reaches nothing else.

``host.py`` is the stage that stands in the trusted topology and asks the child; ``child.py`` is the
process; ``limits.py`` is what is taken from it before it executes a line of the strategy;
``framing.py`` is what goes over the pipe.
"""
