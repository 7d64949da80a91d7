#!/usr/bin/env bash
# Says when waiting has to stop, in seconds since 1970: at the end of a job of $MINUTES that has just begun, less four
# minutes. One of them is what has gone before this step, three are for evidence and uploads.
set -euo pipefail
if ! [[ $MINUTES =~ ^[1-9][0-9]{0,3}$ ]] || ((MINUTES < 6)); then
  printf '::error::job-timeout-minutes is %q; it has to be a whole number, 6 or more\n' "$MINUTES"
  exit 64
fi
echo "epoch=$(($(date +%s) + MINUTES * 60 - 240))" >> "$GITHUB_OUTPUT"
