"""Selection: which recipes run under which lanes, why each of them does, and why each of the others does not.

Pure, but for `changes`, which asks git, and `shards.history`, which reads the results of earlier sweeps.
"""
