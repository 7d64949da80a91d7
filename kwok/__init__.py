"""The simulated cluster: tools, runtimes, nodes, and the sample data that runs on them."""
