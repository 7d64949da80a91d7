"""What the reasons and the messages of controllers, helm and the API server stand for."""

import pytest

from harness.gates.findings import shortened
from harness.gates.messages import diagnose, may_come, repeats, said, served
from harness.helm.messages import explain
from harness.names import NOWHERE
from harness.processes.commands import CommandFailed, Completed
from harness.verdict import CauseKind

PULL, RENDER, APPLY = CauseKind.PULL, CauseKind.RENDER, CauseKind.APPLY
RECONCILE, INFRASTRUCTURE = CauseKind.RECONCILE, CauseKind.INFRASTRUCTURE

MESSAGES = [
    (
        PULL,
        "failed to determine artifact digest: GET http://localhost:5500/v2/aicr/eks/manifests/0a1b: MANIFEST_UNKNOWN: "
        "manifest unknown; unknown tag=0a1b",
    ),
    (PULL, "failed to pull artifact from 'oci://localhost:5500/aicr/eks': NAME_UNKNOWN: repository name not known"),
    (PULL, 'chart pull error: failed to get chart version for remote reference: no "nvsentinel" chart with version'),
    (
        PULL,
        "looks like \"https://charts.example.com\" is not a valid chart repository or cannot be reached: failed to "
        "fetch https://charts.example.com/index.yaml : 404 Not Found",
    ),
    (PULL, 'chart "gpu-operator" matching v99.0.0 not found in https://helm.example.com index. (try helm repo update)'),
    (PULL, "could not get Source object: ExternalArtifact.source.toolkit.fluxcd.io \"web\" not found"),
    (PULL, "localhost:5500/aicr/eks:0.0.1: not found"),
    (
        PULL,
        "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = "
        'failed to resolve revision "0a1b": cannot get digest for revision 0a1b: localhost:5500/aicr/eks:0a1b: no',
    ),
    (
        PULL,
        "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = "
        "`helm pull oci://localhost:5500/aicr/eks --version 1.0.0` failed exit status 1: Error: not there",
    ),
    (
        RENDER,
        "Failed to load target state: failed to generate manifest for source 1 of 1: rpc error: code = Unknown desc = "
        "Manifest generation error (cached): failed to execute helm template command: Error: template: web/templates/"
        'd.yaml:3:14: executing "web/templates/d.yaml" at <.Values.a.b>: nil pointer evaluating interface {}.b',
    ),
    (RENDER, "execution error at (web/templates/a.yaml:1:3): a class is required"),
    (RENDER, "YAML parse error on web/templates/a.yaml: error converting YAML to JSON: yaml: line 2: mapping values"),
    (RENDER, "values don't meet the specifications of the schema(s) in the following chart(s):\nweb:\n- port: Invalid"),
    (RENDER, "kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'x.yaml'"),
    (RENDER, "chart requires kubeVersion: >=1.40.0 which is incompatible with Kubernetes v1.34.0"),
    (
        APPLY,
        'Internal error occurred: failed calling webhook "webhook.cert-manager.io": failed to call webhook: Post '
        '"https://cert-manager-webhook.cert-manager.svc:443/validate": dial tcp 10.96.0.1:443: connection refused',
    ),
    (APPLY, 'admission webhook "v.example.com" denied the request: no owner label'),
    (APPLY, 'Helm install failed: failed pre-install: admission webhook "v.example.com" denied the request: no'),
    (APPLY, 'namespaces "x" is forbidden: User "system:serviceaccount:a:b" cannot create resource "namespaces"'),
    (APPLY, 'Deployment.apps "web" is invalid: spec.selector: Invalid value: {}: field is immutable'),
    (
        APPLY,
        'resource mapping not found for name: "a" namespace: "": no matches for kind "ClusterPolicy" in version '
        '"nvidia.com/v1"\nensure CRDs are installed first',
    ),
    (APPLY, "one or more synchronization tasks are not valid (retried 3 times)."),
    (
        APPLY,
        'Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal string into Go struct'
        " field DeploymentSpec.spec.replicas of type int32",
    ),
    (
        APPLY,
        'unable to build kubernetes objects from release manifest: unable to decode "": json: cannot unmarshal number'
        " into Go struct field ObjectMeta.metadata.name of type string",
    ),
    (
        RENDER,
        "YAML parse error on db/templates/x.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal"
        " array into Go struct field .metadata.annotations of type map[string]string",
    ),
    (
        CauseKind.INFRASTRUCTURE,
        'error validating data: failed to download openapi: Get "https://127.0.0.1:26486/openapi/v2?timeout=32s":'
        " context deadline exceeded",
    ),
    (APPLY, 'conversion webhook for example.com/v1, Kind=A failed: Post "https://w.a.svc:443/c": dial tcp: refused'),
    (APPLY, "failed to create typed patch object (a/b; example.com/v1, Kind=A): .spec.x: field not declared in schema"),
    (APPLY, '.spec.template.spec.containers[name="web"].env: duplicate entries for key [name="A"]'),
    (APPLY, 'error validating data: ValidationError(Deployment.spec): missing required field "selector"'),
    (
        RENDER,
        "Helm install failed for release a/server with chart server@1.0.0: error while running post render on files: "
        'yaml: unmarshal errors: line 10: mapping key "level" already defined at line 9',
    ),
    (
        INFRASTRUCTURE,
        'Get "https://127.0.0.1:26486/apis/apps/v1/namespaces/a/deployments/b": dial tcp 127.0.0.1:26486: refused',
    ),
    (PULL, 'Get "https://charts.example/v2/": dial tcp: lookup charts.example: no such host'),
    (APPLY, 'pods "web-" is forbidden: exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0'),
    (APPLY, 'Unable to continue with install: ServiceAccount "a" exists and cannot be imported into the current '
            "release: invalid ownership metadata"),
    (APPLY, "Deployment/web dry-run failed: Apply failed with 1 conflict: conflict with \"helm\": .spec.replicas"),
    (RECONCILE, "Helm install failed for release monitoring/prometheus with chart p@1.0.0: failed pre-install: 1 error "
                "occurred:\n\t* timed out waiting for the condition"),
    (INFRASTRUCTURE, "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: "
                     'dial tcp 127.0.0.1:8081: connect: connection refused"'),
    (None, "Helm install failed for release web/web with chart web@1.0.0: context deadline exceeded"),
    (
        RECONCILE,
        "Failed to compare desired state to live state: failed to calculate diff: error calculating structured merge "
        "diff: unable to resolve parseableType for GroupVersionKind: gpu.example.com/v1, Kind=ClusterPolicy",
    ),
    (None, "Running 'install' action with timeout of 5m0s"),
    (None, "waiting for healthy state of argoproj.io/Application/kai-scheduler-pre and 3 more resources"),
    (None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "message"), MESSAGES)
def test_known_messages(kind: CauseKind | None, message: str) -> None:
    """Each is what a real tool says of one kind of failure; what is general says nothing."""
    assert said(message) is kind


@pytest.mark.parametrize(
    ("reason", "message", "kind"),
    [
        ("OCIArtifactPullFailed", "context deadline exceeded", PULL),
        ("AuthenticationFailed", "failed to get credential: Secret is forbidden", PULL),
        ("ArtifactFailed", "Could not load chart: stat /tmp/x", PULL),
        ("ArtifactFailed", 'Could not load chart: error unmarshaling JSON: "x"', RENDER),
        ("BuildFailed", 'resource "a" already exists', RENDER),
        ("BuildFailed", "no files match", RENDER),
        ("ReconciliationFailed", "the server was busy", APPLY),
        ("InstallFailed", "context deadline exceeded", None),
        ("RetriesExceeded", "Failed to install after 1 attempt(s)", None),
        ("RESTClientError", "dial tcp: refused", INFRASTRUCTURE),
        ("ComparisonError", "something new", RENDER),
        ("ComparisonError", "failed to fetch index", PULL),
        ("SyncError", "something new", APPLY),
        (None, None, None),
    ],
)
def test_the_reason_comes_first_where_it_is_particular(
    reason: str | None, message: str | None, kind: CauseKind | None
) -> None:
    """A word from a closed list is surer than a sentence; a general word gives way to a sentence that is known."""
    assert diagnose(reason, message) is kind


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('no matches for kind "ClusterPolicy" in version "nvidia.com/v1"', True),
        ('Prometheus.monitoring.coreos.com "main" not found', True),
        ("the server could not find the requested resource", True),
        (
            "The Kubernetes API could not find monitoring.coreos.com/ServiceMonitor for requested resource "
            'monitoring/web. Make sure the "ServiceMonitor" CRD is installed on the destination cluster.',
            True,
        ),
        ('Internal error occurred: failed calling webhook "a.b": connection refused', True),
        (".spec.x: field not declared in schema", True),
        ('pods "a" is forbidden: no PriorityClass with name high was found', True),
        ("duplicate entries for key [name=A]", False),
        ('admission webhook "a.b" denied the request: no', False),
        ('failed to pull chart: "web" not found in charts repository', False),
        ('mapping key "level" already defined at line 9', False),
        (None, False),
    ],
)
def test_what_another_release_may_bring(message: str | None, expected: bool) -> None:
    """Kinds, fields, servers of webhooks, objects; not what is wrong with the object itself, nor a chart."""
    assert may_come(message) is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("duplicate entries for key [name=A]", True),
        ('mapping key "level" already defined at line 9', True),
        ("failed pre-install: timed out waiting for the condition", False),
        ("failed to pull chart: connection refused", False),
        ("context deadline exceeded", False),
        ('pods "a" is forbidden: exceeded quota: few', True),
        ('secrets "a" is forbidden: unable to create new content in namespace a because it is being terminated', False),
        ('Operation cannot be fulfilled on services "a": the object has been modified', False),
    ],
)
def test_what_is_said_again_at_each_attempt(message: str, expected: bool) -> None:
    """Refusals and renderings depend on nothing that time changes."""
    assert repeats(message) is expected


def test_a_socket_is_no_answer() -> None:
    """Where the API server calls a webhook's Service the message keeps the webhook, and loses our socket."""
    call = 'failed calling webhook "a.b": failed to call webhook: Post "https://w.a.svc:443/m?timeout=10s": '
    refused = f"{call}dial unix /tmp/state/clusters/x/{NOWHERE}: connect: no such file or directory"
    assert served(refused) == f"{call}nothing answers for Services on a simulated cluster"
    assert served(call) == call


def test_no_verdict_and_no_error_of_helm_names_the_socket() -> None:
    """Both show what the API server says."""
    refused = f"dial unix /state/{NOWHERE}: connect: no such file or directory"
    failed = CommandFailed(Completed(("helm",), 1, "", f"Error: conversion webhook for a/v1 failed: {refused}", 0.1))
    assert "nothing answers for Services" in shortened(f"ComparisonError: {refused}")
    assert "nothing answers for Services" in explain(failed)[0]
