"""End-to-end suites of a platform: its controllers as processes or as pods, set up once, judged case by case."""
