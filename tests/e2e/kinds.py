"""Kinds that only tests of runtimes look at."""

from harness.objects import Kind

CLAIMS = Kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
ENDPOINTS = Kind("v1", "endpoints", "Endpoints")
WEBHOOKS = Kind(
    "admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
