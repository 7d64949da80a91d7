module kwok-harness.test/agent

go 1.23
