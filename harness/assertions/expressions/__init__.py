"""The JMESPath dialect of chainsaw: tokens, parser, evaluator and its functions, without clock and without I/O."""
