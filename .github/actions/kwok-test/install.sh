#!/usr/bin/env bash
# Installs the harness that this action belongs to, beside whatever Python the job has, and says where its tools are
# kept and by which key: hashFiles would see the workspace only, where an action of another repository is not.
set -euo pipefail
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
environment=$RUNNER_TEMP/kwok-harness/python
"$PYTHON" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$source/constraints.txt" "$source"
tools=$(cd "$source" && find harness/settings.yaml harness/tools.lock.yaml kwok/wrappers -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
{
  echo "command=$environment/bin/kwok-harness"
  echo "cache=${XDG_CACHE_HOME:-$HOME/.cache}/kwok-harness"
  echo "tools=${tools:0:16}"
} >> "$GITHUB_OUTPUT"
