"""What reaches the stages and in which order: feeds of input partitions, their validation, the
merge.
"""
