"""Media types of what is pushed to a registry."""

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
# Of container images: the OCI types and the ones of Docker that they come from; an index lists a manifest per platform.
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
BUNDLE = "application/vnd.nvidia.aicr.artifact"
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
