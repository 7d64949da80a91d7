"""Judgements of what Argo CD reports: Applications, their operations, their warnings."""
