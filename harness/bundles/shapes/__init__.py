"""One file for each shape in which a recipe is delivered, and the tuple that lists them."""

from harness.bundles.shape import FolderShape, PulledShape
from harness.bundles.shapes.argocd import ARGOCD
from harness.bundles.shapes.argocd_git import ARGOCD_GIT
from harness.bundles.shapes.argocd_helm import ARGOCD_HELM
from harness.bundles.shapes.flux import FLUX
from harness.bundles.shapes.flux_git import FLUX_GIT
from harness.bundles.shapes.helm import HELM
from harness.errors import UsageError, did_you_mean

SHAPES: tuple[FolderShape | PulledShape, ...] = (HELM, ARGOCD, ARGOCD_HELM, FLUX, ARGOCD_GIT, FLUX_GIT)
_PULLED = tuple(shape for shape in SHAPES if isinstance(shape, PulledShape))


def find(name: str) -> FolderShape | PulledShape:
    """The shape of this name. Raises UsageError where there is none."""
    for shape in SHAPES:
        if shape.name == name:
            return shape
    raise UsageError(f"unknown shape {name!r}", do=did_you_mean(name, [shape.name for shape in SHAPES]))


def pulled(name: str) -> PulledShape:
    """The shape of this name, which a controller pulls. Raises UsageError where there is none."""
    for shape in _PULLED:
        if shape.name == name:
            return shape
    near = did_you_mean(name, [shape.name for shape in _PULLED])
    raise UsageError(f"no controller pulls bundles of shape {name!r}", do=near)
