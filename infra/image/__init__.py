"""Our own container image: what is put into it (``wheelhouse.py``, ``build.py``), and what runs in
it (``init.py``, ``healthy.py``).

The ``Dockerfile`` at the top is the image; ``python -m infra.image.build`` builds it, and needs a
container engine. What runs in the image imports nothing but the standard library.
"""
