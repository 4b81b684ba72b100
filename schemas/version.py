"""The product's version: what a run and a live journal are made by.

A version whose results differ from the one before has a number of its own: runs and journals of
another version open in every command that reads, and are proved only by the version that made them.
"""

VERSION = "0.2.0"
BEFORE_VERSIONS = "0.1.0"
"""What a genesis record without a version was made by: the versions up to this one wrote none."""
