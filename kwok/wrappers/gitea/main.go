// Command gitea is Gitea with a SQLite that is Go all through: its own is C, and the harness builds without a compiler
// of C. Later versions of Gitea choose the same driver.
package main

import (
	"database/sql"
	"database/sql/driver"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"code.gitea.io/gitea/cmd"
	"code.gitea.io/gitea/modules/log"
	"code.gitea.io/gitea/modules/setting"

	"modernc.org/sqlite"
)

// Version is set by the build.
var Version = "development"

// What Gitea writes for the driver in C: a cache shared by connections needs locks that this one does not have, and the
// time to wait for a lock has another name.
var (
	shared = regexp.MustCompile(`cache=shared&?`)
	busy   = regexp.MustCompile(`_busy_timeout=(\d+)`)
)

type translating struct{ sqlite.Driver }

func (d *translating) Open(name string) (driver.Conn, error) {
	return d.Driver.Open(busy.ReplaceAllString(shared.ReplaceAllString(name, ""), "_pragma=busy_timeout($1)"))
}

func main() {
	sql.Register("sqlite3", &translating{})
	setting.EnableSQLite3 = true
	setting.SupportedDatabaseTypes = append(setting.SupportedDatabaseTypes, "sqlite3")
	setting.AppVer, setting.AppStartTime = Version, time.Now().UTC()
	if program, err := os.Executable(); err == nil { // its templates and texts lie beside it, not in it
		setting.StaticRootPath = filepath.Join(filepath.Dir(program), "files")
	}
	app := cmd.NewMainApp(cmd.AppVersion{Version: Version})
	err := cmd.RunMainApp(app, os.Args...)
	log.GetManager().Close()
	if err != nil {
		os.Exit(1)
	}
}
