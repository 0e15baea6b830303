#!/usr/bin/env bash
# Builds the tarballs a second time, from a copy of the sources in another folder, with another
# Cargo home and another target folder, and compares them with those in target/dist.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

dist=$(realpath "${CARGO_TARGET_DIR:-target}/dist")
home=$(realpath "${CARGO_HOME:-$HOME/.cargo}")
if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
    export SOURCE_DATE_EPOCH
fi
ALLORA_WORKER_COMMIT=$(packaging/commit)
export ALLORA_WORKER_COMMIT
other=$(mktemp -d)
trap 'rm -rf "$other"' EXIT

mkdir "$other/the same sources elsewhere" "$other/home"
git ls-files -z --cached --others --exclude-standard |
    tar --null --files-from=- -cf - | tar -C "$other/the same sources elsewhere" -xf -
# The first build takes the files that are packed unchanged from the commit.
mapfile -t sources < <(packaging/dist --sources)
git archive --format=tar HEAD -- "${sources[@]}" | tar -C "$other/the same sources elsewhere" -xf -
# The downloaded packages are used again, through another path.
for part in "$home"/*; do
    ln -s "$part" "$other/home/"
done
export CARGO_HOME=$other/home CARGO_TARGET_DIR=$other/built
make --no-print-directory -C "$other/the same sources elsewhere" dist 2>&1 | sed -u "s|$other/||g"

if ! cmp "$dist/SHA256SUMS" "$other/built/dist/SHA256SUMS"; then
    diff "$dist/SHA256SUMS" "$other/built/dist/SHA256SUMS" || true
    echo 'make dist-check: the two builds differ' >&2
    exit 1
fi
echo 'make dist-check: two builds in different folders gave the same bytes'
