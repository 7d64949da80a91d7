"""Where a failure lies, by what a controller, helm or the API server says of it.

A condition's reason is a closed word and is asked first; where it covers many failures (InstallFailed), the message is
read for what the tools are known to say. What is in neither is for the caller to judge.
"""

import re

from harness.names import NOWHERE
from harness.verdict import CauseKind

# How clients of the API server say that it did not answer, by the path that they asked for.
API_SERVER_AWAY = r'\b(?:Get|Post|Put|Patch|Delete) "https://[^/"]+/(?:version|apis?|openapi)\b[^"]*": '

# Reasons that stand for one kind of failure.
_REASONS = {
    reason: kind
    for kind, reasons in {
        CauseKind.PULL: (
            "OCIArtifactPullFailed",
            "OCIArtifactLayerOperationFailed",
            "AuthenticationFailed",
            "URLInvalid",
            "VerificationError",
            "IndexationFailed",
            "ChartPullFailed",
            "SourceFetchFailed",
        ),
        CauseKind.RENDER: ("BuildFailed", "ValuesError", "ChartMutateError", "ChartPackageFailed", "ValidationFailed"),
        CauseKind.INFRASTRUCTURE: (
            "RESTClientError",
            "FactoryError",
            "ConfigFactoryErr",
            "ResourceManagerError",
            "AcquireLockFailed",
            "ArchiveOperationFailed",
            "DirectoryCreationFailed",
            "StatOperationFailed",
            "StorageOperationFailed",
            "SymlinkUpdateFailed",
        ),
    }.items()
    for reason in reasons
}

# Reasons that leave it to the message, and what they stand for where it says nothing more.
_MOSTLY = {
    "ArtifactFailed": CauseKind.PULL,
    "SourceNotReady": CauseKind.PULL,
    "ReadOperationFailed": CauseKind.PULL,
    "ReconciliationFailed": CauseKind.APPLY,
    "PruneFailed": CauseKind.APPLY,
    "ComparisonError": CauseKind.RENDER,  # of Argo CD: the types of its conditions
    "InvalidSpecError": CauseKind.APPLY,
    "SyncError": CauseKind.APPLY,
}

# The first that matches counts: a hook that is refused is refused; a webhook that is not reached is no chart.
_MESSAGES = tuple(
    (re.compile("|".join(phrases), re.IGNORECASE | re.DOTALL), kind)
    for kind, phrases in (
        (
            CauseKind.RENDER,
            (
                r"execution error at \(",
                r"template: \S+:\d+",
                r"parse error at \(",
                r"YAML parse error|error converting YAML to JSON|error unmarshaling JSON",
                r"mapping key .+ already defined",
                r"nil pointer evaluating",
                r"values don't meet the specifications of the schema",
                r"kustomize build|accumulating resources",
                r"missing in charts/ directory|incompatible with Kubernetes",
            ),
        ),
        (
            CauseKind.APPLY,
            (
                r"calling webhook|admission webhook|conversion webhook|denied the request|denied by",
                r"\bis forbidden\b|exceeded quota",
                r"\bis invalid: |field is immutable|unknown field",
                r"no matches for kind|could not find the requested resource|ensure CRDs are installed",
                r"tasks are not valid",
                r"invalid ownership metadata|already exists",
                r"Apply failed with|dry-run failed|the object has been modified",
                r"cannot be handled as an? |cannot unmarshal|strict decoding error",
                r"failed to create typed patch object|field not declared in schema|duplicate entries for key",
                r"error validating data(?!: failed to download)",
            ),
        ),
        (CauseKind.RECONCILE, (r"failed (?:pre|post)-\w+", r"\bhook \S+ failed", r"failed to compare desired state")),
        (
            CauseKind.INFRASTRUCTURE,
            (
                r"code = Unavailable",
                r"failed to load live state|failed to sync cluster",
                r"Kubernetes cluster unreachable|failed to download openapi",
                API_SERVER_AWAY,
            ),
        ),
        (
            CauseKind.PULL,
            (
                r"manifest[ _]unknown|name[ _]unknown|no such tag",
                r"failed to (?:pull|fetch|download|do request|resolve revision|determine (?:the )?artifact)",
                r"not a valid chart repository|no chart (?:version|name) found|not found in \S+ (?:index|repository)",
                r"could not get source object|source artifact not found",
                r"chart pull|\b(?:helm|oci) pull\b",
                r"no such host|dial tcp|unexpected status|\bunauthorized\b|: not found$",
            ),
        ),
    )
)

# What the API server lacks for now, and another release may bring: kinds and their fields, webhooks' servers, objects.
_MAY_COME = re.compile(
    r"no matches for kind|could not find .*requested resource|ensure CRDs are installed|tasks are not valid"
    r"|failed calling webhook|conversion webhook|field not declared in schema|unknown field|\bnot found\b"
    r"|no PriorityClass with name",
    re.IGNORECASE,
)
# What an API server says that is busy, or that somebody else was quicker at: no word about the object.
_PASSES = re.compile(
    r"object has been modified|being terminated|etcdserver|leader changed|TLS handshake timeout|too many requests"
    r"|rate limiter|connection (?:reset|lost|refused)|unexpected EOF",
    re.IGNORECASE,
)
_NOBODY = re.compile(rf"dial unix \S*{re.escape(NOWHERE)}: connect: no such file or directory")
_FINAL = (CauseKind.APPLY, CauseKind.RENDER)  # the same chart, values and API server: the same answer


def served(message: str) -> str:
    """A message that names no socket where a Service was called: nobody answers for Services here."""
    return _NOBODY.sub("nothing answers for Services on a simulated cluster", message)


def said(message: object) -> CauseKind | None:
    """What a message is known to mean; None where it says nothing particular."""
    return next((kind for pattern, kind in _MESSAGES if pattern.search(str(message or ""))), None)


def diagnose(reason: object, message: object) -> CauseKind | None:
    """What a condition means, by its reason (of Argo CD: its type) and its message; None where both are general."""
    return _REASONS.get(str(reason)) or said(message) or _MOSTLY.get(str(reason))


def may_come(message: object) -> bool:
    """Whether a refusal is of something that is not there, and that another release may bring."""
    text = str(message or "")
    return said(text) in (CauseKind.APPLY, None) and _MAY_COME.search(text) is not None


def repeats(message: object) -> bool:
    """Whether the next attempt will end in the same words, as long as nothing else changes in the cluster."""
    return said(message) in _FINAL and not passes(message)


def passes(message: object) -> bool:
    """Whether a failure is of the moment, so that no number of them says anything."""
    return _PASSES.search(str(message or "")) is not None
