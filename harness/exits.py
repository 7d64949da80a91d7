"""Every exit code that the harness may end with, in one place.

10 and 20 to 72 are the contract of the bash harness that this one replaces (its documentation page, not its driver,
which collapsed them all to 1). 11 keeps a cluster that is not there apart from a recipe that does not work, and 12 a
suite whose set-up failed from one whose cases did. 64 keeps usage errors apart from 2, which argument parsers use and
which means "skip" in the validator container contract. 130 and 143 are the shell's 128 + signal.
"""

from enum import IntEnum


class Exit(IntEnum):
    """The exit status of `kwok-harness`; the name says what went wrong."""

    OK = 0
    FAILURE = 1
    SETTINGS = 10  # a setting, a tool, or recipe data is missing or wrong; nothing was created yet
    CLUSTER_NOT_READY = 11  # the control plane or its nodes did not come up, or somebody else uses the cluster
    SUITE_SET_UP = 12  # the set-up of an end-to-end suite failed, and no case was run
    REGISTRY_NOT_READY = 20
    REGISTRY_UNREACHABLE = 21
    ARGOCD_INSTALL = 30
    ARGOCD_CRD = 31
    ARGOCD_SECRET = 40
    SYNC_DEADLINE = 50
    FLUX_INSTALL = 60
    FLUX_ROLLOUT = 61
    FLUX_CRD = 62
    USAGE = 64
    GIT_NOT_READY = 70
    GIT_UNREACHABLE = 71
    GIT_REFUSED = 72
    INTERRUPTED = 130
    TERMINATED = 143
