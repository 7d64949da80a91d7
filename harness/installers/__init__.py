"""What the lanes deliver through: a registry, Argo CD and Flux, installed as the cluster's runtime wants it."""
