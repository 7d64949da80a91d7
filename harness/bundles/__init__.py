"""A recipe as a deployer gets it: a directory of numbered folders, one for each release.

Two bundlers write it, the built-in one and the `aicr` command line; `read` understands both.
"""
