// Package deployment has a test for each way in which a test can end: compiled to deployment.test, it is what the
// validation agent runs.
package deployment

import (
	"os"
	"syscall"
	"testing"
	"time"
)

func TestPasses(t *testing.T) {
	if _, err := os.Stat(os.Getenv("AICR_RECIPE_PATH")); err != nil {
		t.Fatal(err)
	}
	t.Log("the recipe is there")
	t.Run("sub", func(t *testing.T) {})
}

func TestFails(t *testing.T) { t.Error("the operator has no pod") }

func TestSkips(t *testing.T) { t.Skip("no GPU") }

func TestPanics(t *testing.T) {
	var none map[string]string
	none["a"] = "b"
}

func TestIsKilled(t *testing.T) { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }

func TestHangs(t *testing.T) {
	t.Log("waits")
	time.Sleep(time.Hour)
}
