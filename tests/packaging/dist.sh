#!/usr/bin/env bash
# Tests which files get into the tarball: runs packaging/dist on a small copy of the sources, with a
# fake Cargo and a fake worker.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly WORDS='legal winner thank year wave sausage worth useful legal winner thank yellow'
readonly TARGET=x86_64-unknown-linux-musl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$work/copy name=''

fail() {
    printf 'dist: FAILED: %s: %s\n' "$name" "$*" >&2
    [[ ! -s $work/output ]] || cat "$work/output" >&2
    exit 1
}
passed() { printf 'dist: ok: %s\n' "$name"; }

mapfile -t sources < <(packaging/dist --sources)
mkdir -p "$copy/target/$TARGET/release" "$copy/packaging"
cp packaging/dist "$copy/packaging/"
# The configuration as shipped; the checkout's own may have been changed.
cp --parents --recursive "${sources[@]}" "$copy"
printf '{\n  "seed_phrase": "",\n  "topics": []\n}\n' >"$copy/config.json"
printf '#!/bin/sh\necho made up\n' >"$copy/target/$TARGET/release/allora-worker"
chmod +x "$copy/target/$TARGET/release/allora-worker"
cat >"$work/cargo" <<'END'
#!/bin/sh
case $1 in
    pkgid) echo 'path+file:///x#allora-worker@1.2.3' ;;
    run) echo '{}' ;;
    *) exit 1 ;;
esac
END
chmod +x "$work/cargo"

# pack CODE: runs packaging/dist, which must end with CODE, and unpacks the tarball into $work/out.
pack() {
    local code=0
    rm -rf "$work/out" "$copy/target/dist"
    env -u CARGO_TARGET_DIR -u SOURCE_DATE_EPOCH CARGO="$work/cargo" TARGETS=$TARGET \
        "$copy/packaging/dist" >"$work/output" 2>&1 || code=$?
    ((code == $1)) || fail "exit code $code, not $1"
    mkdir "$work/out"
    ((code != 0)) || tar -C "$work/out" --strip-components=1 -xf "$copy/target/dist/"*.tar.gz
    if grep -rq sausage "$work/out" "$work/output"; then fail 'the seed phrase leaked'; fi
}
# Git without the settings of the user who runs this.
git_here() {
    GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null git -C "$copy" \
        -c user.name=test -c user.email=test@localhost "$@" >/dev/null
}

name='without git, all listed files are packed'
pack 0
for file in "${sources[@]}" allora-worker sbom.cdx.json packaging/share/man/man8/allora-worker.8; do
    [[ -e $work/out/$file ]] || fail "no $file"
done
diff -r packaging/share "$work/out/packaging/share" || fail 'another manual page or completion'
[[ $(stat -c %a "$work/out/install.sh" "$work/out/allora-worker" "$work/out/config.json") == \
    $'755\n755\n644' ]] || fail 'modes'
passed

name='without git, a configuration with a seed phrase is refused'
for text in "{\"seed_phrase\": \"$WORDS\"}" "{\"seed_phrase\": \"\", \"seed_phrase\": \"$WORDS\"}" \
    "{\"seed_phrase\":\"$WORDS\"}" "{\"seed_phrase\": \"\", \"seed_phrase_file\": \"mine\"}" '{}'; do
    printf '%s' "$text" >"$copy/config.json"
    pack 1
    [[ $(<"$work/output") == *'Nothing was packed'* ]] || fail 'it does not say so'
    [[ ! -e $copy/target/dist/SHA256SUMS ]] || fail 'there are checksums'
done
passed

name='in a checkout, files are packed from the commit, not from the folder'
printf '{\n  "seed_phrase": "",\n  "topics": []\n}\n' >"$copy/config.json"
git_here -c init.defaultBranch=main init
git_here add -- packaging "${sources[@]}"
git_here commit -m test
printf '{"seed_phrase": "%s"}' "$WORDS" >"$copy/config.json"
echo "$WORDS" >>"$copy/README.md"
pack 0
[[ $(<"$work/out/config.json") == $'{\n  "seed_phrase": "",\n  "topics": []\n}' ]] || fail 'another one'
cmp README.md "$work/out/README.md" || fail 'another README.md'
[[ $(stat -c %a "$work/out/install.sh" "$work/out/config.json") == $'755\n644' ]] || fail 'modes'
passed

name='a committed seed phrase is refused too'
git_here commit --all -m test
pack 1
passed
