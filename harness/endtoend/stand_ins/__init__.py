"""Small programs that stand in for what a platform has in a cluster: each one file of the standard library, so that an
image needs Python and that file alone.
"""
