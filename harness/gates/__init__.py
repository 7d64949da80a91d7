"""Pure judgements of objects, as frozen dataclasses: gate(objects) -> Verdict. No clock, no I/O, no cluster."""
