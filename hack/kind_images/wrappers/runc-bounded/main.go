// Command runc-bounded runs runc, asking for no capability that the caller does not have itself.
//
// An engine's privileged containers ask for every capability that the kernel knows, and runc refuses where the machine
// lacks one of them. The others are what a Kind node needs. This front only ever takes away.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/moby/sys/capability"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "runc-bounded:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	had, err := held()
	if err != nil {
		return err
	}
	switch {
	case slices.Contains(args, "create"), slices.Contains(args, "run"), slices.Contains(args, "restore"):
		err = bound(filepath.Join(option(args, "bundle", "b"), "config.json"), had)
	case slices.Contains(args, "exec"):
		if file := option(args, "process", "p"); file != "" {
			err = bound(file, had)
		}
	}
	if err != nil {
		return err
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{"runc"}, args...), os.Environ())
}

// held are the capabilities of the bounding set, as the specification of a container names them.
func held() (map[string]bool, error) {
	process, err := capability.NewPid2(0)
	if err != nil {
		return nil, err
	}
	if err := process.Load(); err != nil {
		return nil, err
	}
	had := map[string]bool{}
	for _, known := range capability.ListKnown() {
		had["CAP_"+strings.ToUpper(known.String())] = process.Get(capability.BOUNDING, known)
	}
	return had, nil
}

// option is the value of --long or -short, in either of the forms that runc's command line takes.
func option(args []string, long, short string) string {
	for i, word := range args {
		name, value, joined := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !strings.HasPrefix(word, "-") || name != long && name != short {
			continue
		}
		if !joined && i+1 < len(args) {
			value = args[i+1]
		}
		return value
	}
	return ""
}

// bound rewrites a container's or a process's specification where it asks for what is not held.
func bound(file string, had map[string]bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var document map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	process := document
	if nested, ok := document["process"].(map[string]any); ok {
		process = nested
	}
	sets, _ := process["capabilities"].(map[string]any)
	lacking := false
	for set, asked := range sets {
		names, _ := asked.([]any)
		kept := slices.DeleteFunc(slices.Clone(names), func(name any) bool {
			word, _ := name.(string)
			return !had[word]
		})
		sets[set] = kept
		lacking = lacking || len(kept) < len(names)
	}
	if !lacking {
		return nil
	}
	if text, err = json.Marshal(document); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600) // it is there: its mode stays
}
