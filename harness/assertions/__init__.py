"""Assertions as chainsaw and kuttl write them, judged without their programs: pure, without clock, network or files.

candidates   one document of an assert or error: which objects, and the verdict on them      compile_assertion
tree         an assertion tree: holds, not yet, cannot be evaluated                          compile_tree
keys, template, compare, programs, cel                                                       what trees are made of
expressions  the JMESPath dialect: tokens, parser, evaluate, functions/                      compile_expression
go           what Go makes of texts: durations, quantities, times, patterns, versions
kuttl        its comparison of subsets                                                       judge_assert, judge_error
outcome, report                                                                              messages and diffs
lint         where chainsaw would differ, and traps                                          findings_of
proof        what an assert can prove: the API, a controller, execution                      claims_of, proof_of
"""
