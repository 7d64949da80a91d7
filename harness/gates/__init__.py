"""Pure judgements of objects: gate(objects) -> Verdict. No clock, no I/O, no cluster."""
