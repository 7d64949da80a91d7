"""What Go and Kubernetes make of texts: printing, quantities, durations, times, patterns, versions."""
