#!/usr/bin/env bash
# Checks the unit with systemd's own tools: is it valid, and how exposed is the service?
#   tests/packaging/unit.sh WORKER      the binary that replaces ExecStart's in the test
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# In tenths: 1.1, where 0 is fully sandboxed and 10 is not sandboxed.
readonly EXPOSURE_TENTHS_MAX=11

if ! command -v systemd-analyze >/dev/null; then
    echo 'unit: LEFT OUT: systemd-analyze is not installed'
    exit 0
fi
worker=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

text=$(<allora-worker.service)
copy=${text//\/usr\/local\/bin\/allora-worker/$worker}
[[ $copy != "$text" ]] || { echo 'unit: FAILED: ExecStart names another binary' >&2 && exit 1; }
printf '%s\n' "$copy" >"$work/allora-worker.service"
code=0
said=$(systemd-analyze verify --man=no "$work/allora-worker.service" 2>&1) || code=$?
if ((code != 0)) || [[ -n $said ]]; then
    printf 'unit: FAILED: systemd-analyze verify: %s\n' "$said" >&2
    exit 1
fi
said=$(systemd-analyze security --offline=true --no-pager --threshold="$EXPOSURE_TENTHS_MAX" \
    "$work/allora-worker.service") || {
    printf '%s\nunit: FAILED: the service is more exposed than allowed\n' "$said" >&2
    exit 1
}
printf 'unit: ok: %s\n' "${said##*$'\n'}"
