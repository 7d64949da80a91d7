"""Commands with deadlines, processes that outlive a call, services with probes and ports, signals and threads."""
