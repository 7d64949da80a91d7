"""What a suite runs on this machine beside a cluster: controllers under test, and what stands in for the services
that they use.
"""
