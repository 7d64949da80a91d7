module tools/runc-bounded

go 1.24.0

require github.com/moby/sys/capability v0.4.0

tool tools/runc-bounded
