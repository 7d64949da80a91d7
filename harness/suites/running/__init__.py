"""Running suites: asserts judged by watch, writes and reads by API, programs in groups of their own, all recorded.

run         suites, side by side or one by one, to one record       refusals: what is not begun at all
tests       one test: namespace, steps, clean-up                    namespaces
steps       one step: try, catch, finally, cleanup
operations  one operation, and the records that it leaves           proofs: what it can prove on these nodes
judging     one assert or error: which kinds are watched, the wait  gates, rounds (kuttl's), offline (no cluster)
writes      apply, create, update, patch                            deletes, reads, programs
scope       bindings and expressions around an operation            direct ($client), late (files read only now)
situation   namespace, clusters, budget, what ends it               options, clients, failures, nodes
"""
