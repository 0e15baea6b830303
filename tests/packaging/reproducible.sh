#!/usr/bin/env bash
# Builds the tarballs once more, from a copy of the sources in another folder, with another home
# of Cargo and another folder for what is built, and compares them with those in target/dist.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

dist=$(realpath "${CARGO_TARGET_DIR:-target}/dist")
home=$(realpath "${CARGO_HOME:-$HOME/.cargo}")
if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
    export SOURCE_DATE_EPOCH
fi
other=$(mktemp -d)
trap 'rm -rf "$other"' EXIT

mkdir "$other/the same sources elsewhere" "$other/home"
git ls-files -z --cached --others --exclude-standard |
    tar --null --files-from=- -cf - | tar -C "$other/the same sources elsewhere" -xf -
# What is packed as it is, is taken from the commit by the first build.
mapfile -t sources < <(packaging/dist --sources)
git archive --format=tar HEAD -- "${sources[@]}" | tar -C "$other/the same sources elsewhere" -xf -
# The packages that are there already serve again, seen through another path.
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
