"""The simulated cluster: tools, runtimes, nodes, and the sample data that runs on them."""

from pathlib import Path

SAMPLES = Path(__file__).resolve().parent / "recipes"  # with their charts and node profiles beside them
VALIDATORS = Path(__file__).resolve().parent / "validators" / "catalog.yaml"
