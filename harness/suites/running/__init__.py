"""Running suites: asserts judged by watch, writes and reads by API, programs in groups of their own, all recorded.

clients      one cluster as suites see it: kinds by discovery, writes that may be refused
scope        bindings and expressions around an operation
judging      one assert or error, from document to finding
"""
