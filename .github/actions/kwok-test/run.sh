#!/usr/bin/env bash
# Runs the cells that the inputs ask for. What GitHub needs to upload is said before anything is run, so that it is
# known however this ends.
set -euo pipefail
if ! [[ $RUNTIME =~ ^(host|kind|auto)$ ]]; then
  printf '::error::runtime is %q; there are host, kind and auto\n' "$RUNTIME"
  exit 64
fi
mkdir -p "$RUNNER_TEMP/kwok-harness"
directory=$(mktemp -d "$RUNNER_TEMP/kwok-harness/results-XXXXXX")
export KWOK_DEBUG_ARTIFACTS_DIR=$directory
[[ -z $RECIPES_DIRECTORY ]] || export KWOK_RECIPES=$RECIPES_DIRECTORY

# An array element is one word whatever it holds, and one behind = or -- is never an option.
mapfile -t cells < <(tr -s '[:space:]' '\n' <<< "$CELLS" | sed '/^$/d')
mapfile -t recipes < <(tr -s '[:space:]' '\n' <<< "$RECIPES" | sed '/^$/d')
mapfile -t lanes < <(tr -s '[:space:]' '\n' <<< "$LANES" | sed '/^$/d')
words=(sweep "--results=$directory")
for cell in "${cells[@]}"; do words+=("--cells=$cell"); done
[[ ${#cells[@]} -gt 0 ]] || for lane in "${lanes[@]}"; do words+=("--deployer=$lane"); done
[[ -z $SHARD ]] || words+=("--shard=$SHARD")
words+=(-- "${recipes[@]}")

# Artifact names have to differ within a run: the cells of its jobs do.
if [[ ${#cells[@]} -gt 0 ]]; then
  name=${cells[0]}
  [[ ${#cells[@]} -eq 1 ]] || name+=-and-$((${#cells[@]} - 1))-more
else
  name="${recipes[*]:-all} ${lanes[*]}"
fi
[[ -z $SHARD ]] || name+=-shard-${SHARD/\//-of-}
name=$(printf %s "$name" | tr -c 'A-Za-z0-9._-' - | cut -c 1-120)
{
  echo "directory=$directory"
  echo "results=$directory/kwok-results.json"
  echo "name=$name"
} >> "$GITHUB_OUTPUT"

# GitHub signals this shell only. A wait that a signal ends is begun again: the harness needs seconds to stop.
"$HARNESS" "${words[@]}" &
child=$!
trap 'kill -TERM "$child" 2> /dev/null || true' INT TERM
while kill -0 "$child" 2> /dev/null; do wait "$child" || true; done
code=0
wait "$child" || code=$?
echo "exit-code=$code" >> "$GITHUB_OUTPUT"
exit "$code"
