"""Pure judgements of a snapshot: gate(snapshot) -> Verdict. No clock, no I/O, no cluster."""
